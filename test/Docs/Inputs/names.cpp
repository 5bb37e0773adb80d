// Faster with AVX2.
#ifdef __x86_64__
std::unique_ptr<Family> createAArch64Family();
auto name = "llvm.neon.sdot";
call(v, "llvm.x86.sse2.pmadd.wd");
if (target.getName() == "cpu")
// as the target 'reference' does
createCPUTarget();
TERNAC_FEATURE_AMX
triple = "riscv64-linux-gnu"
// What is below is no name: parse, assembly, passes, harmless, alarm, tensor<?x64xi8>, strategy "reference", Stable.
