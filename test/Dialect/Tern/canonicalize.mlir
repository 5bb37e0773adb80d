// RUN: ternac-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func.func @unpack_of_pack
// CHECK-SAME: %[[W:.*]]: tensor<16x16x!tern.trit>
// CHECK-NEXT: return %[[W]]
func.func @unpack_of_pack(%w: tensor<16x16x!tern.trit>) -> tensor<16x16x!tern.trit> {
  %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<16x16x!tern.trit> -> tensor<64xi8>
  %u = tern.unpack %p {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<64xi8> -> tensor<16x16x!tern.trit>
  return %u : tensor<16x16x!tern.trit>
}

// CHECK-LABEL: func.func @pack_of_unpack
// CHECK-SAME: %[[P:.*]]: tensor<64xi8>
// CHECK-NEXT: return %[[P]]
func.func @pack_of_unpack(%p: tensor<64xi8>) -> tensor<64xi8> {
  %u = tern.unpack %p {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<64xi8> -> tensor<16x16x!tern.trit>
  %q = tern.pack %u {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<16x16x!tern.trit> -> tensor<64xi8>
  return %q : tensor<64xi8>
}

// Another layout, or another matrix of as many bytes, is a rearrangement.

// CHECK-LABEL: func.func @another_layout
// CHECK: tern.pack
// CHECK: tern.unpack
func.func @another_layout(%w: tensor<16x16x!tern.trit>) -> tensor<16x16x!tern.trit> {
  %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<16x16x!tern.trit> -> tensor<64xi8>
  %u = tern.unpack %p {packing = #tern.packing<two_bit, rows = 1, group = 4, blocks = 1>} : tensor<64xi8> -> tensor<16x16x!tern.trit>
  return %u : tensor<16x16x!tern.trit>
}

// CHECK-LABEL: func.func @another_shape
// CHECK: tern.pack
// CHECK: tern.unpack
func.func @another_shape(%w: tensor<16x16x!tern.trit>) -> tensor<15x16x!tern.trit> {
  %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<16x16x!tern.trit> -> tensor<64xi8>
  %u = tern.unpack %p {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<64xi8> -> tensor<15x16x!tern.trit>
  return %u : tensor<15x16x!tern.trit>
}

// A matrix of one row of four, in every code. The columns are "+0-+", so the
// codes (trit + 1) are 2, 1, 0, 2.

// CHECK-LABEL: func.func @signed8
// CHECK: arith.constant dense<[1, 0, -1, 1]> : tensor<4xi8>
// CHECK-NOT: tern.pack
func.func @signed8() -> tensor<4xi8> {
  %w = tern.constant <"+0-+"> : tensor<1x4x!tern.trit>
  %p = tern.pack %w {packing = #tern.packing<signed8, rows = 1, group = 1, blocks = 1>} : tensor<1x4x!tern.trit> -> tensor<4xi8>
  return %p : tensor<4xi8>
}

// 2 + 1 * 4 + 0 * 16 + 2 * 64 = 134, as a signed byte -122.

// CHECK-LABEL: func.func @two_bit
// CHECK: arith.constant dense<-122> : tensor<1xi8>
func.func @two_bit() -> tensor<1xi8> {
  %w = tern.constant <"+0-+"> : tensor<1x4x!tern.trit>
  %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 1, group = 1, blocks = 1>} : tensor<1x4x!tern.trit> -> tensor<1xi8>
  return %p : tensor<1xi8>
}

// 2 + 1 * 3 + 0 * 9 + 2 * 27 = 59, and the padding's code 1 (a zero) * 81 = 140,
// as a signed byte -116.

// CHECK-LABEL: func.func @base3
// CHECK: arith.constant dense<-116> : tensor<1xi8>
func.func @base3() -> tensor<1xi8> {
  %w = tern.constant <"+0-+"> : tensor<1x4x!tern.trit>
  %p = tern.pack %w {packing = #tern.packing<base3, rows = 1, group = 1, blocks = 1>} : tensor<1x4x!tern.trit> -> tensor<1xi8>
  return %p : tensor<1xi8>
}

// The digits of a byte lie `group * blocks` columns apart. Here byte 0 holds the
// columns 0, 2, 4, 6 and byte 1 the columns 1, 3, 5, 7: of "+-+-+-+-" all codes
// of byte 0 are 2 (0xaa), all of byte 1 are 0.

// CHECK-LABEL: func.func @digit_stride
// CHECK: arith.constant dense<[-86, 0]> : tensor<2xi8>
func.func @digit_stride() -> tensor<2xi8> {
  %w = tern.constant <"+-+-+-+-"> : tensor<1x8x!tern.trit>
  %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 1, group = 2, blocks = 1>} : tensor<1x8x!tern.trit> -> tensor<2xi8>
  return %p : tensor<2xi8>
}

// A row of row2 is 64 bytes for 256 columns, a zero is 0x55 = 85. Column 0 is the
// low digit of byte 0: "+" makes it 86; column 1 that of byte 1: "-" makes it 84.

// CHECK-LABEL: func.func @row2
// CHECK: arith.constant dense<[86, 84{{(, 85){62}\]>}} : tensor<64xi8>
func.func @row2() -> tensor<64xi8> {
  %w = tern.constant <"+-0"> : tensor<1x3x!tern.trit>
  %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 1, group = 64, blocks = 1>} : tensor<1x3x!tern.trit> -> tensor<64xi8>
  return %p : tensor<64xi8>
}

// A tile of tile2 is 16 rows of 4 bytes for 16 columns. Row 1 begins at byte 4.

// CHECK-LABEL: func.func @tile2
// CHECK: arith.constant dense<[86, 85, 85, 85, 84{{(, 85){59}\]>}} : tensor<64xi8>
func.func @tile2() -> tensor<64xi8> {
  %w = tern.constant <"+-"> : tensor<2x1x!tern.trit>
  %p = tern.pack %w {packing = #tern.packing<two_bit, rows = 16, group = 4, blocks = 1>} : tensor<2x1x!tern.trit> -> tensor<64xi8>
  return %p : tensor<64xi8>
}

// A tile of base3 is 16 rows of 4 bytes for 20 columns; five zeros are
// 1 + 3 + 9 + 27 + 81 = 121 = 0x79. With two blocks a superblock has 40 columns
// and its digits lie 8 columns apart: column 4 is digit 0 of the second tile.

// CHECK-LABEL: func.func @tile_base3
// CHECK: arith.constant dense<"0x7A{{(79){63}7A(79){63}"}}> : tensor<128xi8>
func.func @tile_base3() -> tensor<128xi8> {
  %w = tern.constant <"+000+"> : tensor<1x5x!tern.trit>
  %p = tern.pack %w {packing = #tern.packing<base3, rows = 16, group = 4, blocks = 2>} : tensor<1x5x!tern.trit> -> tensor<128xi8>
  return %p : tensor<128xi8>
}
