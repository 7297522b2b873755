"""Every `raise` of clinspan, and why some of them need no path: no note has been read there yet."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import clinspan

SOURCE = Path(clinspan.__file__).parent

# Where no note has been read yet, or where what is said is about the caller's own options.
NO_NOTE_THERE = {
    "__init__.py:__getattr__": "looks up a name",
    "clinical/__init__.py:__getattr__": "looks up a name",
    "package/": "makes packages; never sees a note",
    "cli/package.py": "makes packages; never sees a note",
    "bundle/manifest.py": "reads model folders, before any note",
    "strict_json.py:_read_stream": "reads model folders, before any note",
    "strict_json.py:read_bytes": "reads model folders, before any note",
    "strict_json.py:Fields": "reads model folders, before any note",
    "bundle/integrity.py": "reads model folders, before any note",
    "bundle/hub_folder.py": "reads model folders, before any note",
    "bundle/onnx_scan.py": "reads model folders, before any note",
    "bundle/signature.py": "reads model folders, before any note",
    "bundle/self_check.py": "looks at a model, and runs it on tokens of its own",
    "bundle/tasks.py": "reads model folders, before any note",
    "text/merge.py:Vectors.__post_init__": "reads model folders, before any note",
    "text/labels.py": "reads label names of a model",
    "text/merge.py:Scoring.__post_init__": "reads label names of a model",
    "options.py": "says types and numbers of options",
    "text/windows.py:check": "says numbers of options",
    "engine/session.py:_start": "loads a model",
    "engine/session.py:Session._started_again:DeviceError": "says what a GPU cannot do",
    "engine/session.py:_Unchanged": "loads a model again",
    "engine/session.py:_blame_options": "says names of settings",
    "engine/profile.py": "reads a file of settings",
    "bundle/model_file.py": "loads a model, and later looks at its files alone",
    "report.py:LoadedModel.__reduce__:TypeError": "says how to make a model that travels",
    "bundle/other_kinds.py": "names kinds of folders, before any note",
    "bundle/onnx_operators.py": "looks at a model",
    "engine/session.py:Session._check": "looks at a model",
    "engine/session.py:Session.__init__": "looks at a model",
    "engine/session.py:_onnxruntime": "imports",
    "engine/providers.py": "says names of devices and settings",
    "text/tokenizer.py:Tokenizer.__init__": "loads a tokenizer",
    "text/tokenizer.py:_special_frame": "loads a tokenizer",
    "text/tokenizer.py:Tokenizer.pair_frame": "loads a tokenizer",
    "bundle/loading.py": "loads a model",
    "bundle/load_options.py": "says names of options",
    "cli/load_flags.py": "says what is wrong with an option",
    "cli/hub/": "downloads models; never sees a note",
    "cli/serve.py:run": "says the command line's own options",
    "serving/server/head.py": "says a status; a head holds no note",
    "serving/server/http.py:_Handler._read_head": "says a status; a head holds no note",
    "serving/limits.py": "reads the environment",
    "serving/logs.py:configure": "reads the environment",
    "serving/__init__.py": "looks up a name",
    "interop/clusters.py:spark_udf": "imports",
    "cli/bench.py:run": "says the command line's own options",
    "cli/console.py:write_stdout:InputError": "says the state of standard output",
    "cli/evaluate.py:_check_gold:UsageError": "says the command line's own options",
    "extract/run_record.py": "reads and writes hashes, and says names of options and files",
    "cli/runs/run_options.py": "says the command line's own options",
    "cli/extract_options.py": "says the command line's own options",
    "cli/extract.py:_format": "says the command line's own options",
    "cli/values.py": "says the command line's own options",
    "cli/texts/whole_texts.py:run:UsageError": "says the command line's own options",
    "documents/formats/pdf.py:read_pdf:MissingDependencyError": "imports",
    "extract/inputs/markup.py:rtf_text": "the library is an extra; its errors are read by type alone",
    "extract/inputs/columns.py:parquet": "the library is an extra; its errors are read by type alone",
    "interop/tables.py:import_arrow": "imports",
    "interop/presidio.py:presidio_recognizer": "imports",
    "interop/spacy.py:_add_extensions": "imports",
    "interop/spacy.py:Component.__init__": "says the component's own config",
    "interop/spacy.py:__getattr__": "looks up a name",
    "clinical/cues/files.py": "reads files of cues, before any note",
}


@dataclass(frozen=True)
class Site:
    """A `raise` in clinspan's code; `name` is file, function and error."""

    file: str
    first: int
    last: int
    name: str

    def in_(self, reached: set[tuple[str, int]]) -> bool:
        return any((self.file, line) in reached for line in range(self.first, self.last + 1))


def sites() -> list[Site]:
    """Every `raise` but those that pass on what they caught."""
    found: list[Site] = []

    def walk(node: ast.AST, file: Path, names: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = (*names, child.name)
            if isinstance(child, ast.Raise) and child.exc is not None:
                function = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
                name = f"{file.relative_to(SOURCE).as_posix()}:{'.'.join(names)}:{ast.unparse(function)}"
                found.append(Site(str(file), child.lineno, child.end_lineno or child.lineno, name))
            walk(child, file, inner)

    for file in sorted(SOURCE.rglob("*.py")):
        walk(ast.parse(file.read_text(encoding="utf-8")), file, ())
    return found


def exempt(site: Site) -> list[str]:
    return [key for key in NO_NOTE_THERE if site.name.startswith(key)]
