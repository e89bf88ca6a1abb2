// Fuzzers in child processes: a crash, a hang or an error without a known code fails, and says its seed and case.
//   MT_LLAMA_FUZZ_SECONDS   for which each fuzzer runs; 12 by default, half an hour under MT_LLAMA_VERIFY
//   MT_LLAMA_FUZZ_SEED      1 by default, under MT_LLAMA_VERIFY another one each time
//   MT_LLAMA_FUZZ_CASE      runs one case alone
import { type FuzzOptions, runFuzzer } from './run.ts'

const { MT_LLAMA_FUZZ_SECONDS, MT_LLAMA_FUZZ_SEED, MT_LLAMA_FUZZ_CASE, MT_LLAMA_VERIFY } = process.env
const verify = MT_LLAMA_VERIFY === '1'

describe('fuzz', function () {
  const options: FuzzOptions = {
    seconds: Number(MT_LLAMA_FUZZ_SECONDS ?? (verify ? 1800 : 12)),
    seed: Number(MT_LLAMA_FUZZ_SEED ?? (verify ? Date.now() % 2 ** 31 : 1)),
    only: MT_LLAMA_FUZZ_CASE === undefined ? undefined : Number(MT_LLAMA_FUZZ_CASE),
  }
  // The children have limits of their own, which say more.
  this.timeout(1000 * options.seconds + 600_000)

  for (const [what, child] of [
    ['the addon', 'addon-child.ts'],
    ['the public API', 'api-child.ts'],
  ] as const)
    it(`${what}: random calls neither crash nor hang, and their errors have codes`, async () => {
      const cases = await runFuzzer(child, options)
      console.log(`      ${what}: ${cases} cases of seed ${options.seed}`)
    })
})
