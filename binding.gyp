# The CPU addon, built with node-gyp (scripts/build.mjs). CMakeLists.txt builds the same from the same lists.
{
  'targets': [{
    'target_name': 'mt_llama',
    'sources': [
      '<!@(node -p "[\'sources.txt\', \'sources_addon.txt\', \'sources_no_cuda.txt\'].map(f => require(\'fs\').readFileSync(\'native/\' + f, \'utf8\').trim().split(/\\s+/).join(\' \')).join(\' \')")',
    ],
    'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
    'defines': [
      'NAPI_VERSION=8',
      'NODE_ADDON_API_CPP_EXCEPTIONS',
      'NODE_ADDON_API_DISABLE_DEPRECATED',
      # else terminating a Worker during a call aborts the process
      'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      'NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED',
    ],
    # No contraction: a remainder loop in plain C++ must round as the intrinsics beside it do.
    'cflags_cc': ['-std=c++20', '-O3', '-ffp-contract=off', '-fvisibility=hidden', '-Wall', '-Wextra'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
    'conditions': [
      ['OS=="linux"', {'ldflags': ['-Wl,-Bsymbolic', '-Wl,--exclude-libs,ALL', '-Wl,--gc-sections']}],
      ['OS=="mac"', {
        'xcode_settings': {
          'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
          'GCC_ENABLE_CPP_RTTI': 'YES',
          'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
          'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
          'OTHER_CPLUSPLUSFLAGS': ['-O3', '-ffp-contract=off'],
          'MACOSX_DEPLOYMENT_TARGET': '13.3',
        },
      }],
    ],
  }],
}
