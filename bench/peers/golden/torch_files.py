"""Writes files with torch.save in its formats, and what torch reads from them: test/golden/torch.

expected.json has the tensors of each file by name (safetensors' type, shape, values as float32, whether row-major), or a
word that the error has to hold where a file is refused: the name that only Python may follow, say.
"""

import collections
import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import torch

TYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.uint16: "U16",
    torch.uint32: "U32",
    torch.uint64: "U64",
    torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
    torch.complex128: "C128",
}


class Own:
    """Is a class that no reader but Python knows."""


def write_torch_files(root: Path) -> None:
    folder = root / "torch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(20261128)
    expected = {}
    for name, (state, options) in states().items():
        torch.save(state, folder / name, **options)
        loaded = torch.load(folder / name, weights_only=False)
        for wrapper in ("state_dict", "model", "module"):
            loaded = loaded.get(wrapper, loaded)
        tensors = {key: described(value) for key, value in loaded.items() if isinstance(value, torch.Tensor)}
        expected[name] = dict(tensors=tensors)
    for name, (state, refused) in refused_states().items():
        torch.save(state, folder / name)
        expected[name] = dict(refused=refused)
    rezipped(folder / "protocol-2.bin", folder / "compressed.bin")
    expected["compressed.bin"] = dict(refused="protocol-2/data.pkl")
    torch.jit.script(torch.nn.Linear(2, 2)).save(folder / "torchscript.bin")
    expected["torchscript.bin"] = dict(refused="TorchScript")
    (folder / "plain-pickle.bin").write_bytes(pickle.dumps(dict(a=[1.0])))
    expected["plain-pickle.bin"] = dict(refused="magic number")
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def states() -> dict:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)).to(torch.bfloat16)
    parameters = dict(p=torch.nn.Parameter(torch.randn(2, 3)), h=torch.randn(4).half(), n=torch.arange(3), f=torch.tensor(True))
    base = torch.randn(4, 6)
    views = collections.OrderedDict(
        tied=base,
        head=base,
        rows=base[1:3],
        column=base[:, 2:4],
        transposed=base.t(),
        expanded=base[:1].expand(3, 6),
        one_row_transposed=base[:1].t(),
        scalar=base[2, 3],
        empty=base[:0],
        reversed_ones=base.as_strided((1, 6, 1), (77, 1, 5)),
    )
    dtypes = {kind: torch.ones(2).to(dtype) for dtype, kind in TYPES.items()}
    tensor, parameter = torch.randn(2), torch.nn.Parameter(torch.randn(2))
    tensor.note, parameter.partition = "x", 3
    extras = dict(
        ids=[1, 2, 70_000, -3, 2**40, 2**70],
        pair=(0.5, None, True),
        raw=b"bytes",
        size=torch.Size([2, 3]),
        device=torch.device("cuda", 1),
        dtype=torch.float16,
        storage=torch.ones(3).storage(),
    )
    old = dict(_use_new_zipfile_serialization=False)
    found = {f"protocol-{p}.bin": (module.state_dict(), dict(pickle_protocol=p)) for p in (1, 2, 3, 4, 5)}
    found |= {f"legacy-{p}.bin": (module.state_dict(), dict(pickle_protocol=p) | old) for p in (1, 2, 4)}
    return found | {
        "parameters.bin": (parameters, {}),
        "parameters-legacy.bin": (parameters, old),
        "views.bin": (views, {}),
        "views-legacy.bin": (views, old),
        "dtypes.bin": (dtypes, {}),
        "attributes.bin": (dict(t=tensor, p=parameter), {}),
        "in-state_dict.bin": (dict(epoch=3, state_dict=parameters, lr=0.1, optimizer=dict(state={0: dict(step=1)})), {}),
        "in-model.bin": (dict(model=parameters, extras=dict(size=extras["size"])), {}),
        "in-module-legacy.bin": (dict(module=module.state_dict(), step=9), old),
        "extras-4.bin": (extras | parameters, dict(pickle_protocol=4)),
    }


def refused_states() -> dict:
    weight = torch.eye(3)
    return {
        "module.bin": (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        "own-class.bin": (dict(w=weight, args=Own()), f"{Own.__module__}.Own"),
        "sparse.bin": (dict(w=weight.to_sparse()), "torch._utils._rebuild_sparse_tensor"),
        "quantized.bin": (dict(w=torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8)), "torch._utils._rebuild_qtensor"),
        "meta.bin": (dict(w=weight.to("meta")), "torch._utils._rebuild_meta_tensor_no_storage"),
        "negated.bin": (dict(w=torch._neg_view(weight)), "neg"),
        "set.bin": (dict(w=weight, names={"a"}), "__builtin__.set"),
        "list.bin": ([weight], "a list"),
        "no-tensors.bin": (dict(epoch=3), "epoch"),
    }


def described(tensor: torch.Tensor) -> dict:
    wide = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return dict(
        type=TYPES[tensor.dtype],
        shape=list(tensor.shape),
        contiguous=tensor.is_contiguous(),
        values=wide.detach().to(torch.float32).flatten().tolist(),
    )


def rezipped(source: Path, target: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(source) as entries, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for entry in entries.namelist():
            out.writestr(entry, entries.read(entry))
    target.write_bytes(buffer.getvalue())
