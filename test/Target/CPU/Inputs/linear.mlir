func.func @int8(%x: tensor<?x96xi16>, %step: tensor<?xf32>, %w: tensor<8x96xi8>, %s: tensor<8xf32>) -> tensor<?x8xf32> {
  %y = tern.linear %x, %w step %step scaled %s : (tensor<?x96xi16>, tensor<8x96xi8>, tensor<?xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
func.func @int4(%x: tensor<?x640xi16>, %step: tensor<?xf32>, %w: tensor<5760xi8>) -> tensor<?x16xf32> {
  %y = tern.linear %x, %w step %step : (tensor<?x640xi16>, tensor<5760xi8>, tensor<?xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
