"""Opening a folder runs nothing of it: a process listens to what Python does while folders full of code are opened."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from their_models import KINDS, their_model
from tiny import sentences

from everysum.tokenizers import train_tokenizer

PROGRAM = """
import json, sys, warnings
from pathlib import Path
import everysum as es

WATCHED = ("exec", "compile", "import", "os.", "subprocess.", "socket.", "pickle.", "ctypes.", "marshal.", "shutil.")
plain, *folders = map(Path, sys.argv[1:])
warnings.simplefilter("ignore")
es.load(plain, device="cpu").generate("the", tokens=2)  # whatever is imported late is imported now
heard, opened, listening = [], [], False

def listen(event, arguments):
    if listening and event == "open":
        opened.append([str(arguments[0]), str(arguments[1])])
    elif listening and event.startswith(WATCHED) and event not in ("os.listdir", "os.scandir"):
        heard.append(f"{event} {arguments!r:.200}")

sys.addaudithook(listen)
for folder in folders:
    listening = True
    model = es.load(folder, device="cpu")
    text = model.generate("the", tokens=2)
    listening = False
listening = True
compile("1", "<the listener hears>", "eval")
listening = False
print(json.dumps({"heard": heard, "opened": opened, "path": sys.path, "evil": "evil" in sys.modules}))
"""


class Evil:
    """A pickle that leaves a file behind when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"from pathlib import Path; Path({str(self.mark)!r}).write_text('a pickle was opened')",)


def full_of_code(kind: str, folder: Path, mark: Path) -> Path:
    """A model of this family, and beside it whatever might be run by somebody who trusts the folder."""
    tokenizer = train_tokenizer("byte_pair", sentences(), 290)
    end = tokenizer.end_of_text
    their_model(kind, vocab_size=290, bos_token_id=end, eos_token_id=end).float().save_pretrained(folder)
    tokenizer.save(folder)
    code = f"from pathlib import Path; Path({str(mark)!r}).write_text('a module was imported')\n"
    for name in (
        "evil",
        "modeling_llama",
        "configuration_gpt2",
        "tokenization_qwen2",
        "json",
        "torch",
        "sitecustomize",
    ):
        (folder / f"{name}.py").write_text(code)
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "tokenizer.pkl"):
        (folder / name).write_bytes(pickle.dumps(Evil(mark)))
    for name in ("config.json", "tokenizer_config.json"):
        values = json.loads((folder / name).read_text())
        maps = {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}
        values |= {"auto_map": maps, "trust_remote_code": True, "architectures": ["evil.Evil"], "custom_pipelines": {}}
        (folder / name).write_text(json.dumps(values))
    return folder


def test_opening_folders_full_of_code_runs_none_of_it(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    chosen = {kind.split()[0].strip(","): kind for kind in KINDS}
    assert set(chosen) == {"gpt2", "opt", "llama", "mistral", "qwen2", "qwen3"}
    folders = [full_of_code(kind, tmp_path / name, mark) for name, kind in chosen.items()]
    (tmp_path / "listen.py").write_text(PROGRAM)
    command = [sys.executable, tmp_path / "listen.py", folders[0], *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folders[0])
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [event for event in said["heard"] if "the listener hears" not in event] == []
    assert len(said["heard"]) == 1  # the listener does hear
    assert not mark.exists()
    assert not said["evil"]
    inside = {Path(name) for name, mode in said["opened"] if Path(name).is_relative_to(tmp_path) and "w" not in mode}
    assert len(inside) >= 4 * len(folders) - 1
    assert {path.suffix for path in inside} <= {".json", ".safetensors"}
    assert [name for name, mode in said["opened"] if set(mode) & set("wax+")] == []


def test_a_pickle_of_ours_would_have_been_noticed(tmp_path: Path) -> None:
    """The proof that these folders are dangerous to who trusts them."""
    mark = tmp_path / "mark"
    (tmp_path / "x.bin").write_bytes(pickle.dumps(Evil(mark)))
    pickle.loads((tmp_path / "x.bin").read_bytes())
    assert mark.read_text() == "a pickle was opened"
