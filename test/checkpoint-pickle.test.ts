// Files of torch.save that are refused: names, opcodes, lies about sizes, broken archives. None of them is run.
import assert from 'node:assert/strict'
import type { ErrorCode } from '../src/errors.ts'
import { safetensorsBytes, tinyTensors, u32, u64 } from './checkpoint-files.ts'
import {
  archiveEntries,
  bytes,
  dict,
  global,
  holding,
  integer,
  legacyMagic,
  oldHolding,
  pickle,
  readTorchBytes,
  sixNumbers,
  stateDict,
  tensorPickle,
  text,
  torchArchive,
  torchLegacy,
  tuple,
  zipBytes,
} from './torch-files.ts'

describe('files of torch.save: what is refused', () => {
  const calls = (...pieces: Parameters<typeof bytes>) => holding(bytes(...pieces))
  const rows: [name: string, content: Uint8Array, code: ErrorCode, message: RegExp][] = [
    // Names: only those of a state dict are known, and being named is enough to be refused.
    ...(
      [
        ['os', 'system'],
        ['posix', 'system'],
        ['builtins', 'eval'],
        ['__builtin__', 'exec'],
        ['builtins', 'getattr'],
        ['torch.storage', '_load_from_bytes'],
        ['torch.hub', 'load'],
        ['torch', 'load'],
        ['torch', 'Tensor.__reduce_ex__'],
        ['torch._utils', '_rebuild_sparse_tensor'],
        ['collections', 'OrderedDict.fromkeys'],
        ['__main__', 'Model'],
        ['constructor', 'name'],
        ['', ''],
      ] as const
    ).flatMap(([module, name]): typeof rows => {
      const message = new RegExp(
        `^model\\.bin: byte \\d+: the pickle names "${module}\\.${name}", which no state dict`,
      )
      const call = bytes(global(module, name), text('x'), 0x85, 'R')
      const stacked = bytes(text(module), text(name), 0x93)
      return [
        [`a call of ${module}.${name}`, holding(call), 'CHECKPOINT_UNSUPPORTED', message],
        [
          `a call of ${module}.${name} in the old format`,
          oldHolding(call),
          'CHECKPOINT_UNSUPPORTED',
          message,
        ],
        [`${module}.${name} by STACK_GLOBAL`, holding(stacked), 'CHECKPOINT_UNSUPPORTED', message],
      ]
    }),
    // Opcodes that make objects of classes in other ways, or that nobody writes into a state dict.
    ...(
      [
        ['INST', bytes('(ios\nsystem\n')],
        ['OBJ', bytes('(', global('torch', 'Tensor'), 'o')],
        ['NEWOBJ', bytes(global('torch', 'Tensor'), ')', 0x81)],
        ['NEWOBJ_EX', bytes(global('torch', 'Tensor'), ')}', 0x92)],
        ['EXT1', bytes(0x82, 1)],
        ['EXT2', bytes(0x83, 1, 0)],
        ['EXT4', bytes(0x84, u32(1))],
        ['PERSID', bytes('P1\n')],
        ['LONG4', bytes(0x8b, u32(0x7fff_ffff))],
        ['DUP', bytes('N2')],
        ['BYTEARRAY8', bytes(0x96, u64(2 ** 40))],
        ['NEXT_BUFFER', bytes(0x97)],
      ] as const
    ).map(([name, pieces]): (typeof rows)[number] => [
      `the opcode ${name}`,
      holding(pieces),
      'CHECKPOINT_UNSUPPORTED',
      new RegExp(`^model\\.bin: byte \\d+: the opcode ${name}, which no state dict needs$`),
    ]),
    ['a byte that is no opcode', calls(0xff), 'CHECKPOINT_CORRUPT', /byte \d+: 0xff is no opcode/],
    [
      'a protocol to come',
      torchArchive(bytes(0x80, 6, 'N.'), {}),
      'CHECKPOINT_UNSUPPORTED',
      /a pickle of protocol 6; 1 to 5/,
    ],
    // Lies about sizes, and an empty stack.
    [
      'a text longer than the file',
      calls('X', u32(0xffff_ffff)),
      'CHECKPOINT_CORRUPT',
      /archive\/data\.pkl ends before its pickle does/,
    ],
    [
      'a text of 2^63 bytes',
      calls(0x8d, u64(2n ** 63n)),
      'CHECKPOINT_CORRUPT',
      /ends before its pickle does/,
    ],
    ['bytes of 2^40', calls(0x8e, u64(2 ** 40)), 'CHECKPOINT_CORRUPT', /ends before its pickle does/],
    ['no end', torchArchive(bytes(0x80, 2, '}'), {}), 'CHECKPOINT_CORRUPT', /ends before its pickle does/],
    ['nothing', torchArchive(bytes(), {}), 'CHECKPOINT_CORRUPT', /byte 46: archive\/data\.pkl ends before/],
    [
      'a name without an end',
      calls('c', 'x'.repeat(300)),
      'CHECKPOINT_CORRUPT',
      /a name of more than 256 bytes/,
    ],
    ['no value', torchArchive(pickle(), {}), 'CHECKPOINT_CORRUPT', /takes a value from an empty stack/],
    [
      'a value below a mark',
      torchArchive(pickle('N('), {}),
      'CHECKPOINT_CORRUPT',
      /takes a value from an empty stack/,
    ],
    [
      'a tuple of too few values',
      torchArchive(pickle('N', 0x86), {}),
      'CHECKPOINT_CORRUPT',
      /makes a tuple of 2 from fewer values/,
    ],
    ['no mark', torchArchive(pickle('t'), {}), 'CHECKPOINT_CORRUPT', /looks for a mark, and there is none/],
    ['a value that was not kept', calls('h', 7), 'CHECKPOINT_CORRUPT', /recalls value 7, which was not kept/],
    [
      'a key without a value',
      torchArchive(pickle('}(', text('a'), 'u'), {}),
      'CHECKPOINT_CORRUPT',
      /a key without a value/,
    ],
    [
      'entries of a number',
      torchArchive(pickle('K', 1, 'NNs'), {}),
      'CHECKPOINT_CORRUPT',
      /sets entries of a number/,
    ],
    ['appending to a dict', torchArchive(pickle('}Na'), {}), 'CHECKPOINT_CORRUPT', /appends to a dict/],
    ['a call of a text', calls(text('os.system'), ')R'), 'CHECKPOINT_CORRUPT', /calls a string with a list/],
    [
      'a call of a class',
      calls(global('torch', 'FloatStorage'), ')R'),
      'CHECKPOINT_CORRUPT',
      /calls torch\.FloatStorage with a list/,
    ],
    [
      'arguments that are no tuple',
      calls(global('torch', 'Size'), 'NR'),
      'CHECKPOINT_CORRUPT',
      /calls torch\.Size with None/,
    ],
    [
      'a name that is a number',
      calls('K', 1, 'K', 2, 0x93),
      'CHECKPOINT_CORRUPT',
      /names a number and a number/,
    ],
    [
      'attributes of a tensor',
      calls(tensorPickle(), '}b'),
      'CHECKPOINT_UNSUPPORTED',
      /sets attributes of a tensor/,
    ],
    ['a number that is none', calls('Ix\n'), 'CHECKPOINT_CORRUPT', /"x" is no whole number/],
    [
      'a dict of what is no list of pairs',
      calls(global('collections', 'OrderedDict'), tuple(tuple('N')), 'R'),
      'CHECKPOINT_CORRUPT',
      /makes a dict of a list with None/,
    ],
    // Tensors and storages.
    [
      'a tensor past its storage',
      holding(tensorPickle({ shape: [3, 3] })),
      'CHECKPOINT_CORRUPT',
      /shape \[3,3\], strides \[3,1\] ends at byte 36 of its storage, which has 24/,
    ],
    [
      'an empty tensor past its storage',
      holding(tensorPickle({ shape: [0, 3], offset: 7 })),
      'CHECKPOINT_CORRUPT',
      /offset 7, shape \[0,3\], strides \[3,1\] ends at byte 28 of its storage, which has 24/,
    ],
    [
      'an offset past its storage',
      holding(tensorPickle({ offset: 1 })),
      'CHECKPOINT_CORRUPT',
      /offset 1, .* ends at byte 28 of its storage/,
    ],
    [
      'a negative offset',
      holding(tensorPickle({ offset: -1 })),
      'CHECKPOINT_CORRUPT',
      /expected whole numbers, none negative/,
    ],
    ['a negative shape', holding(tensorPickle({ shape: [-2, -3] })), 'CHECKPOINT_CORRUPT', /shape \[-2,-3\]/],
    [
      'a negative stride',
      holding(tensorPickle({ strides: [-3, 1] })),
      'CHECKPOINT_CORRUPT',
      /strides \[-3,1\]/,
    ],
    [
      'strides of other dimensions',
      holding(tensorPickle({ strides: [1] })),
      'CHECKPOINT_CORRUPT',
      /shape \[2,3\], strides \[1\]/,
    ],
    [
      'nine dimensions',
      holding(tensorPickle({ shape: Array(9).fill(1), strides: Array(9).fill(1) })),
      'CHECKPOINT_CORRUPT',
      /at most 8 dimensions/,
    ],
    [
      'a product past 2^64',
      holding(tensorPickle({ shape: [2 ** 30, 2 ** 30, 2 ** 30], strides: [2 ** 30, 2 ** 30, 1] })),
      'CHECKPOINT_CORRUPT',
      /ends at byte \d{19,} of its storage/,
    ],
    [
      'a tensor in no storage',
      calls(global('torch._utils', '_rebuild_tensor_v2'), tuple('NNNN'), 'R'),
      'CHECKPOINT_CORRUPT',
      /a tensor in None, not in a storage/,
    ],
    [
      'a parameter of no tensor',
      calls(global('torch._utils', '_rebuild_parameter'), tuple('NN'), 'R'),
      'CHECKPOINT_CORRUPT',
      /a parameter of None, not of a tensor/,
    ],
    [
      'a tensor rebuilt by what does not rebuild one',
      calls(
        global('torch._tensor', '_rebuild_from_type_v2'),
        tuple(global('torch', 'Size'), global('torch', 'Tensor'), ')', '}'),
        'R',
      ),
      'CHECKPOINT_CORRUPT',
      /rebuilds a tensor by torch\.Size with a list/,
    ],
    [
      'a class from outside',
      calls(tuple(text('module'), 'NNN'), 'Q'),
      'CHECKPOINT_UNSUPPORTED',
      /asks for a string "module" from outside/,
    ],
    ['an id that is no tuple', calls(text('storage'), 'Q'), 'CHECKPOINT_UNSUPPORTED', /asks for None/],
    [
      'a storage of no class',
      calls(tuple(text('storage'), 'N', text('0'), text('cpu'), 'K', 6), 'Q'),
      'CHECKPOINT_CORRUPT',
      /a storage of None, key a string, size a number/,
    ],
    [
      'a storage of -1 elements',
      holding(tensorPickle({ elements: -1 })),
      'CHECKPOINT_CORRUPT',
      /a storage of torch\.FloatStorage/,
    ],
    [
      'one storage of two types',
      holding(bytes('(', tensorPickle(), tensorPickle({ storage: 'IntStorage' }), 't')),
      'CHECKPOINT_CORRUPT',
      /storage "0" is 6 of I32, and before it was 6 of F32/,
    ],
    [
      'one storage of two sizes',
      holding(bytes('(', tensorPickle(), tensorPickle({ elements: 7 }), 't')),
      'CHECKPOINT_CORRUPT',
      /storage "0" is 7 of F32, and before it was 6 of F32/,
    ],
    // The archive.
    [
      'a storage that is not there',
      torchArchive(pickle(dict([['w', tensorPickle()]])), {}),
      'CHECKPOINT_CORRUPT',
      /no entry "archive\/data\/0", where a tensor lies/,
    ],
    [
      'a storage that is too small',
      torchArchive(pickle(dict([['w', tensorPickle()]])), { 0: sixNumbers.subarray(4) }),
      'CHECKPOINT_CORRUPT',
      /"archive\/data\/0" has 20 bytes; its pickle says 6 elements of 4/,
    ],
    [
      'a storage that is too large',
      torchArchive(pickle(dict([['w', tensorPickle()]])), { 0: Buffer.alloc(28) }),
      'CHECKPOINT_CORRUPT',
      /has 28 bytes/,
    ],
    [
      'big-endian numbers',
      torchArchive(pickle(dict([['w', tensorPickle()]])), { 0: sixNumbers }, { byteorder: 'big' }),
      'CHECKPOINT_UNSUPPORTED',
      /its byteorder is "big"; only "little" is read/,
    ],
    [
      'compressed entries',
      torchArchive(stateDict(tinyTensors()), {}, {}, { method: 8 }),
      'CHECKPOINT_UNSUPPORTED',
      /"archive\/data\.pkl" is compressed/,
    ],
    [
      'encrypted entries',
      zipBytes([['a/data.pkl', Buffer.alloc(12)]], { flags: 1 }),
      'CHECKPOINT_CORRUPT',
      /not a valid zip archive \(compressed\/uncompressed size mismatch/,
    ],
    [
      'an archive without a pickle',
      zipBytes([['a/b.txt', bytes()]]),
      'CHECKPOINT_CORRUPT',
      /a zip archive of \["a\/b\.txt"\]; torch\.save writes a\/data\.pkl/,
    ],
    ['an archive of nothing', zipBytes([]), 'CHECKPOINT_CORRUPT', /^model\.bin: begins with "PK/],
    [
      'an entry that comes twice',
      zipBytes([...archiveEntries(pickle('}'), {}), ['archive/data.pkl', pickle('N')]]),
      'CHECKPOINT_CORRUPT',
      /the entry "archive\/data\.pkl" comes twice/,
    ],
    [
      'an archive without its end',
      holding(tensorPickle()).subarray(0, -1),
      'CHECKPOINT_CORRUPT',
      /not a valid zip archive \(End of central directory/,
    ],
    [
      'an archive cut in its middle',
      holding(tensorPickle()).subarray(0, 200),
      'CHECKPOINT_CORRUPT',
      /not a valid zip archive/,
    ],
    [
      'an archive with bytes after it',
      bytes(holding(tensorPickle()), 'x'),
      'CHECKPOINT_CORRUPT',
      /not a valid zip archive/,
    ],
    [
      'an archive with bytes left out',
      bytes(holding(tensorPickle()).subarray(0, 60), holding(tensorPickle()).subarray(70)),
      'CHECKPOINT_CORRUPT',
      /not a valid zip archive/,
    ],
    [
      'a pickle larger than any',
      torchArchive(Buffer.alloc(2 ** 20 + 1), {}),
      'CHECKPOINT_UNSUPPORTED',
      /a pickle of 1048577 bytes; at most 1048576/,
    ],
    [
      'more entries than any',
      zipBytes(Array.from({ length: 8193 }, (_, i) => [`a/${i}`, bytes()])),
      'CHECKPOINT_UNSUPPORTED',
      /a zip archive of 8193 entries; at most 8192/,
    ],
    [
      'names longer than any',
      zipBytes(Array.from({ length: 70 }, (_, i) => [`${i}/${'x'.repeat(60_000)}`, bytes()])),
      'CHECKPOINT_CORRUPT',
      /names and comments of more than 4194304 bytes/,
    ],
    // The old format.
    ['an empty file', bytes(), 'CHECKPOINT_CORRUPT', /^model\.bin: begins with ""; torch\.save writes/],
    [
      'a text',
      bytes('hello world'),
      'CHECKPOINT_CORRUPT',
      /begins with "hello wo"; torch\.save writes a zip archive or, before torch 1\.6/,
    ],
    ['safetensors', safetensorsBytes(tinyTensors()), 'CHECKPOINT_CORRUPT', /begins with/],
    [
      'another magic number',
      torchLegacy(pickle('}'), [], { magic: integer(5) }),
      'CHECKPOINT_CORRUPT',
      /its magic number/,
    ],
    [
      'another version',
      torchLegacy(pickle('}'), [], { version: 1002 }),
      'CHECKPOINT_UNSUPPORTED',
      /format version 1002; 1001 is read/,
    ],
    [
      'no more than a magic number',
      pickle(legacyMagic),
      'CHECKPOINT_CORRUPT',
      /the file ends before its pickles do/,
    ],
    [
      'no storages',
      oldHolding(tensorPickle()).subarray(0, -32),
      'CHECKPOINT_CORRUPT',
      /storage "0" ends at byte \d+, the file at \d+\. Is the download/,
    ],
    [
      'half of a storage',
      oldHolding(tensorPickle()).subarray(0, -12),
      'CHECKPOINT_CORRUPT',
      /storage "0" ends at byte/,
    ],
    [
      'another number of elements',
      torchLegacy(pickle(dict([['w', tensorPickle()]])), [['0', 5, sixNumbers]]),
      'CHECKPOINT_CORRUPT',
      /storage "0" has 5 elements at byte \d+; its pickle says 6/,
    ],
    [
      '2^63 elements',
      torchLegacy(pickle(dict([['w', tensorPickle()]])), [['0', 2 ** 63, sixNumbers]]),
      'CHECKPOINT_CORRUPT',
      /storage "0" has 9223372036854775808 elements/,
    ],
    [
      'a storage nobody has',
      torchLegacy(pickle(dict([['w', tensorPickle()]])), [['1', 6, sixNumbers]]),
      'CHECKPOINT_CORRUPT',
      /lists the storage "1", which no tensor has/,
    ],
    [
      'a storage listed twice',
      torchLegacy(pickle(dict([['w', tensorPickle()]])), [
        ['0', 6, sixNumbers],
        ['0', 6, sixNumbers],
      ]),
      'CHECKPOINT_CORRUPT',
      /lists the storage "0", twice/,
    ],
    [
      'a storage not listed',
      torchLegacy(pickle(dict([['w', tensorPickle()]])), []),
      'CHECKPOINT_CORRUPT',
      /storage "0", where a tensor lies, is not in the list/,
    ],
    [
      'a part of a storage',
      oldHolding(tensorPickle({ view: [tuple(text('v'), 'K', 0, 'K', 6)] })),
      'CHECKPOINT_UNSUPPORTED',
      /storage "0" is a part of another/,
    ],
    // What is no state dict.
    [
      'a number',
      torchArchive(pickle('K', 1), {}),
      'CHECKPOINT_UNSUPPORTED',
      /holds a number; expected a state dict/,
    ],
    [
      'one tensor',
      torchArchive(pickle(tensorPickle()), { 0: sixNumbers }),
      'CHECKPOINT_UNSUPPORTED',
      /holds a tensor; expected a state dict/,
    ],
    [
      'a dict that holds itself',
      torchArchive(pickle('}q', 0, text('model'), 'h', 0, 's'), {}),
      'CHECKPOINT_UNSUPPORTED',
      /a dict of \["model"\] without tensors/,
    ],
  ]
  for (const [name, content, code, message] of rows)
    it(`refuses ${name}`, () => assert.rejects(readTorchBytes(content), { code, message }))
})
