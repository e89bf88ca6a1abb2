// Fuzzers in child processes: a crash, a hang or an error without a known code fails, and says its seed and case.
//   MT_LLAMA_FUZZ_SECONDS   for which each fuzzer runs; by default as below, half an hour under MT_LLAMA_VERIFY
//   MT_LLAMA_FUZZ_SEED      1 by default, under MT_LLAMA_VERIFY another one each time
//   MT_LLAMA_FUZZ_CASE      runs one case alone
import { type FuzzOptions, runFuzzer } from './run.ts'

const { MT_LLAMA_FUZZ_SECONDS, MT_LLAMA_FUZZ_SEED, MT_LLAMA_FUZZ_CASE, MT_LLAMA_VERIFY } = process.env
const verify = MT_LLAMA_VERIFY === '1'

describe('fuzz', () => {
  const options: Omit<FuzzOptions, 'seconds'> = {
    seed: Number(MT_LLAMA_FUZZ_SEED ?? (verify ? Date.now() % 2 ** 31 : 1)),
    only: MT_LLAMA_FUZZ_CASE === undefined ? undefined : Number(MT_LLAMA_FUZZ_CASE),
  }
  for (const [what, child, ownSeconds] of [
    ['the addon', 'addon-child.ts', 12],
    ['the public API', 'api-child.ts', 12],
    ['files of torch.save', 'pickle-child.ts', 8],
  ] as const)
    it(`${what}: random calls neither crash nor hang, and their errors have codes`, async function () {
      const seconds = Number(MT_LLAMA_FUZZ_SECONDS ?? (verify ? 1800 : ownSeconds))
      // The children have limits of their own, which say more.
      this.timeout(1000 * seconds + 600_000)
      const cases = await runFuzzer(child, { ...options, seconds })
      console.log(`      ${what}: ${cases} cases of seed ${options.seed}`)
    })
})
