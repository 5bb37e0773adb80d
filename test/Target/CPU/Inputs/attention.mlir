// Heads of 128 elements, four to a head of the cache, as BitNet b1.58 2B4T has them.

func.func @step(%q: tensor<?x512xf32>, %k: tensor<?x128xf32>, %v: tensor<?x128xf32>, %c: !tern.kv_cache<1x1x128xf16>, %l: index,
                %p: tensor<?xi32>, %s: tensor<?xi32>) -> tensor<?x512xf32> {
  %d = tern.kv_append %k, %v, %c[%l] at %p of %s
    : (tensor<?x128xf32>, tensor<?x128xf32>, !tern.kv_cache<1x1x128xf16>, index, tensor<?xi32>, tensor<?xi32>) -> !tern.kv_cache<1x1x128xf16>
  %y = tern.attention %q, %d[%l] at %p of %s {narrow}
    : (tensor<?x512xf32>, !tern.kv_cache<1x1x128xf16>, index, tensor<?xi32>, tensor<?xi32>) -> tensor<?x512xf32>
  return %y : tensor<?x512xf32>
}
