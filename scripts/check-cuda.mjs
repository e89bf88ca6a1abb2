// The CUDA compile gate: `check-cuda.mjs [--install] [--quick] [NAME...]` compiles the CUDA backend with CMake's own commands and
// fails on warnings, spills, local memory and "Potential Performance Loss", and where a kernel lacks the instructions it
// is written for. No GPU is needed. With NAMEs, only files whose names contain one; --install gets nvcc where there is
// none, from PyPI into build/cuda-toolkit; --quick leaves out what lies between the oldest and the newest architecture, for
// which compilers make nearly the same of this code as for the oldest.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { countOpcodes, opcodes } from './cuda/cubin.mjs'
import { advice, findNvcc, install } from './cuda/toolkit.mjs'

const isQuick = process.argv.includes('--quick')
const archs = isQuick ? ['80', '90a'] : ['80', '86', '89', '90a']
// What a file is compiled for; the command that CMake makes must say the same.
const archsOf = file => (file.endsWith('_sm90.cu') ? ['90a'] : archs)
const hopper = ['HGMMA', 'UTMALDG']

// Kernels by name: opcodes that must occur and that must not, and registers where a kernel divides them among its
// warps. float32 has no tensor cores: they would round to tf32.
const rules = [
  { kernel: /^gemm_kernel<(bf16|f16)\b/, some: ['HMMA', 'LDSM', 'LDGSTS'] },
  { kernel: /^gemm_kernel<float\b/, some: ['FFMA', 'LDGSTS'], none: ['HMMA'] },
  { kernel: /^attend_kernel<.*\b(bf16|f16)\b/, some: ['HMMA', 'LDSM'] },
  { kernel: /^mma_peak_kernel</, some: ['HMMA'] },
  { kernel: /^fma_peak_kernel\b/, some: ['FFMA'], none: ['HMMA'] },
  { kernel: /^gemm_sm90_kernel<(bf16|f16)\b/, some: hopper, none: ['HMMA', 'LDSM', 'LDGSTS'] },
  { kernel: /^gemm_sm90_kernel<.*\bHopperTile<2, 256,/, registers: 168 },
  { file: /_sm90\.cu$/, some: hopper, none: ['HMMA'] },
]

const folder = path.resolve('build/cuda-check')
const started = performance.now()
const wanted = process.argv.slice(2).filter(name => !name.startsWith('--'))
const faults = new Set()

const nvcc = findNvcc() ?? (process.argv.includes('--install') ? install() : undefined)
if (!nvcc) fail(advice)
console.log(`${nvcc}: ${output(nvcc, ['--version']).match(/release .*/)}`)

const commands = configure().filter(
  ({ file }) => wanted.length === 0 || wanted.some(name => file.includes(name)),
)
if (commands.length === 0) fail(`no file of native/sources_cuda.txt has a name with ${wanted.join(' or ')}`)
const device = commands.filter(({ file }) => file.endsWith('.cu'))
if (device.length > 0)
  await checkProbe(device.find(({ file }) => archsOf(file).length === archs.length) ?? device[0])
const kernels = await compileAll()
for (const rule of rules) apply(rule)
printTable()
for (const fault of faults) console.error(fault)
const seconds = ((performance.now() - started) / 1000).toFixed(0)
console.log(`${commands.length} files, ${kernels.length} kernels, ${faults.size} faults, ${seconds} s`)
process.exitCode = faults.size > 0 ? 1 : 0

// CMake's compile commands of the CUDA backend, the longest files first.
function configure() {
  rmSync(folder, { recursive: true, force: true })
  const args = ['-S', '.', '-B', folder, '-DMT_LLAMA_CUDA=ON', `-DCMAKE_CUDA_COMPILER=${nvcc}`]
  if (isQuick) args.push(`-DCMAKE_CUDA_ARCHITECTURES=${archs.map(arch => `${arch}-real`).join(';')}`)
  output('cmake', args)
  return JSON.parse(readFileSync(path.join(folder, 'compile_commands.json'), 'utf8'))
    .map(({ command, file }) => ({ command, file: path.relative('.', file) }))
    .filter(({ file }) => file.startsWith('native/backend/cuda/'))
    .sort((a, b) => statSync(b.file).size - statSync(a.file).size)
}

// Holds the opcode table and the reading of ptxas's report to kernels whose code is known.
async function checkProbe({ command, file }) {
  const probe = path.resolve('scripts/cuda/probe.cu')
  const found = await compile(command.replaceAll(path.resolve(file), probe), probe)
  const wrong = []
  for (const arch of archsOf(file))
    for (const name of [...Object.keys(opcodes), 'local', 'spill']) {
      if (['LDL', 'STL'].includes(name) || (hopper.includes(name) && arch !== '90a')) continue
      const kernel = found.find(kernel => kernel.name === `probe_${name}` && kernel.arch === arch)
      if (!kernel) {
        wrong.push(`no probe_${name} for sm_${arch}`)
        continue
      }
      const { report, counts } = kernel
      const memory = ['local', 'spill'].includes(name)
      const own = memory ? ['LDL', 'STL'] : [name]
      for (const opcode of Object.keys(opcodes))
        if (counts[opcode] > 0 !== own.includes(opcode))
          wrong.push(`${counts[opcode]} ${opcode} in probe_${name}, sm_${arch}`)
      if (report.stack > 0 !== memory || report.spills > 0 !== (name === 'spill') || report.registers === 0)
        wrong.push(`${JSON.stringify(report)} of probe_${name}, sm_${arch}`)
    }
  if (wrong.length > 0) fail(`the gate misreads scripts/cuda/probe.cu: ${wrong.join('; ')}`)
}

// All files, two at a time; a row a kernel: {file, name, archs: Map(arch -> {report, counts})}.
async function compileAll() {
  const rows = new Map()
  const queue = commands.values()
  const work = async () => {
    for (const { command, file } of queue)
      for (const { name, arch, report, counts } of await compile(command, file)) {
        const key = `${file} ${name}`
        if (!rows.has(key)) rows.set(key, { file: path.basename(file), name, archs: new Map() })
        rows.get(key).archs.set(arch, { report, counts })
        if (report.stack + report.spills + counts.LDL + counts.STL > 0)
          faults.add(
            `${file}: ${name}, sm_${arch}: local memory: ${report.stack} bytes of stack, ${report.spills} of spills, ${counts.LDL} LDL, ${counts.STL} STL`,
          )
      }
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
  const sorted = [...rows.values()].sort(
    (a, b) => a.file.localeCompare(b.file) || a.name.localeCompare(b.name),
  )
  for (const { file, name, archs: found } of sorted)
    if (archs.some(arch => found.has(arch) !== archsOf(file).includes(arch)))
      faults.add(
        `${file}: ${name} is there for sm_${[...found.keys()].join(', ')}, not sm_${archsOf(file).join(', ')}`,
      )
  return sorted
}

// Runs one compile command. Device code gives [{name, arch, report: {registers, shared, stack, spills}, counts}].
async function compile(command, file) {
  const kept = path.join(folder, 'kept', path.basename(file))
  const isDevice = file.endsWith('.cu')
  mkdirSync(kept, { recursive: true })
  const { status, text } = await shell(isDevice ? `${command} -Xptxas=-v --keep --keep-dir=${kept}` : command)
  if (status !== 0) fail(`${text}\n${file} does not compile`)
  for (const line of text.split('\n'))
    if (/\bwarning( #|\s*:)|Potential Performance Loss|\(C\d{4}\)/i.test(line))
      faults.add(`${file}: ${line.trim()}`)
  if (!isDevice) return []

  const reports = readReports(text)
  const found = []
  for (const cubin of readdirSync(kept).filter(name => name.endsWith('.cubin'))) {
    // NAME.compute_ARCH.cubin or NAME.sm_ARCH.cubin; where there is but one, NAME.cubin
    const arch = cubin.match(/\b(?:compute|sm)_(\w+)\.cubin$/)?.[1] ?? command.match(/\bcode=\W*sm_(\w+)/)[1]
    for (const [symbol, counts] of countOpcodes(path.join(kept, cubin))) {
      const report = reports.get(`${symbol} sm_${arch}`)
      if (report) found.push({ symbol, arch, report, counts })
      else faults.add(`${file}: ptxas says nothing of ${symbol} for sm_${arch}`)
    }
  }
  rmSync(kept, { recursive: true })
  if (found.length !== reports.size)
    faults.add(`${file}: ${reports.size} kernels compiled, ${found.length} found`)
  const names = demangle(found.map(({ symbol }) => symbol))
  return found.map(({ arch, report, counts }, i) => ({ name: names[i], arch, report, counts }))
}

// ptxas -v, by "KERNEL sm_ARCH". A function that a kernel calls counts as part of it.
function readReports(text) {
  const reports = new Map()
  let report
  for (const line of text.split('\n')) {
    const entry = line.match(/Compiling entry function '(.+)' for '(.+)'/)
    if (entry) {
      report = { registers: 0, shared: 0, stack: 0, spills: 0 }
      reports.set(`${entry[1]} ${entry[2]}`, report)
    }
    const number = pattern => Number(line.match(pattern)?.[1] ?? 0)
    if (!report) continue
    report.stack += number(/(\d+) bytes stack frame/)
    report.spills += number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/)
    report.registers += number(/Used (\d+) registers/)
    report.shared += number(/(\d+) bytes smem/)
  }
  return reports
}

// Kernels' names without namespaces and parameters.
function demangle(symbols) {
  const { status, stdout, error } = spawnSync('c++filt', { input: symbols.join('\n'), encoding: 'utf8' })
  if (error || status !== 0) fail('c++filt (package binutils) is needed')
  return stdout
    .trimEnd()
    .split('\n')
    .map(name => {
      const short = name.replaceAll('(anonymous namespace)::', '').replace(/\bmt::cuda::/g, '')
      return short.replace(/^void /, '').replace(/\([^()<>]*(<.*>[^()<>]*)*\)$/, '')
    })
}

function apply({ file = /./, kernel = /./, some = [], none = [], registers }) {
  const rows = kernels.filter(row => file.test(row.file) && kernel.test(row.name))
  if (rows.length === 0 && wanted.length === 0 && device.some(source => file.test(source.file)))
    faults.add(`no kernel is called ${kernel} any more: change the rules of scripts/check-cuda.mjs`)
  for (const row of rows)
    for (const arch of archsOf(row.file)) {
      const { counts = {}, report } = row.archs.get(arch) ?? {}
      if (registers && report?.registers !== registers)
        faults.add(`${row.file}: ${row.name}, sm_${arch}: ${report?.registers} registers, not ${registers}`)
      for (const opcode of some)
        if (!(counts[opcode] > 0)) faults.add(`${row.file}: ${row.name}, sm_${arch}: no ${opcode}`)
      for (const opcode of none)
        if (counts[opcode] !== 0)
          faults.add(`${row.file}: ${row.name}, sm_${arch}: ${counts[opcode]} ${opcode}`)
    }
}

// A row a kernel; where the architectures differ, a number each.
function printTable() {
  const columns = {
    registers: ({ report }) => report.registers,
    shared: ({ report }) => report.shared,
    spills: ({ report }) => report.spills,
    ...Object.fromEntries(Object.keys(opcodes).map(opcode => [opcode, ({ counts }) => counts[opcode]])),
  }
  const table = [
    [`file, kernel (sm_${archs.join('/')}, of *_sm90.cu sm_90a)`, ...Object.keys(columns)],
    ...kernels.map(row => [
      `${row.file}  ${row.name}`,
      ...Object.values(columns).map(read => {
        const values = archsOf(row.file).map(arch => (row.archs.has(arch) ? read(row.archs.get(arch)) : '-'))
        return new Set(values).size === 1 ? String(values[0]) : values.join('/')
      }),
    ]),
  ]
  const widths = table[0].map((_, i) => Math.max(...table.map(row => row[i].length)))
  for (const [name, ...cells] of table)
    console.log([name.padEnd(widths[0]), ...cells.map((cell, i) => cell.padStart(widths[i + 1]))].join('  '))
}

function output(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (error) fail(`${command}: ${error.message}`)
  if (status !== 0) fail(`${stdout}${stderr}${command} ${args.join(' ')} ended with ${status}`)
  return stdout
}

function shell(command) {
  return new Promise(resolve => {
    const child = spawn('sh', ['-c', `${command} 2>&1`], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', part => (text += part))
    child.on('close', status => resolve({ status, text }))
  })
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
