// What may be alive at the last phases, and what can be written, is the
// target's to say.

// RUN: ternac %s --load-target=%plugins/libdevice.so --compile-from=llvm --emit=asm --dump-phases-to=%t | FileCheck %s
// CHECK: device.start
// CHECK-NEXT: device.wait
// RUN: ls %t | FileCheck %s --check-prefix=DUMP --implicit-check-not=model.ll
// DUMP: 06-llvm.mlir
// DUMP-NEXT: 07-model.s

// Its dialect is at home at phase `llvm`, but of no other target.
// RUN: ternac-opt %s --load-target=%plugins/libdevice.so --tern-verify-phase=phase=llvm -o /dev/null
// RUN: sed 's/"device", /"reference", /' %s > %t.reference.mlir
// RUN: not ternac-opt %t.reference.mlir --load-target=%plugins/libdevice.so --tern-verify-phase=phase=llvm 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: contract of phase 'llvm': unexpected 'device.start'; everything is in the LLVM dialect
// An unknown target has the contract of all.
// RUN: sed 's/"device", /"toaster", /' %s > %t.toaster.mlir
// RUN: not ternac-opt %t.toaster.mlir --load-target=%plugins/libdevice.so --tern-verify-phase=phase=llvm 2>&1 | FileCheck %s --check-prefix=OTHER
// What the target does not name is refused there, too.
// RUN: sed 's/"device.wait"() : () -> ()/func.func private @f()/' %s > %t.func.mlir
// RUN: not ternac-opt %t.func.mlir --load-target=%plugins/libdevice.so --tern-verify-phase=phase=llvm 2>&1 | FileCheck %s --check-prefix=FUNC
// FUNC: contract of phase 'llvm': unexpected 'func.func'; everything is in the LLVM dialect

// RUN: not ternac %s --load-target=%plugins/libdevice.so --compile-from=llvm --emit=obj -o %t.o 2>&1 | FileCheck %s --check-prefix=OBJ
// OBJ: error: target 'device' cannot --emit=obj; expected one of: asm, a phase
// RUN: not ternac %s --load-target=%plugins/libdevice.so --compile-from=llvm -o %t.so 2>&1 | FileCheck %s --check-prefix=LIB
// LIB: error: target 'device' cannot --emit=lib; expected one of: asm, a phase
// RUN: not ls %t.o %t.so

module attributes {tern.target = #tern.target<name = "device", vector_bits = 8>} {
  "device.start"() : () -> ()
  "device.wait"() : () -> ()
}
