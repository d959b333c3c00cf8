#!/usr/bin/env python3
"""Writes templates/continued.json: last messages that are to be continued, as transformers renders and cuts them.

  pip install transformers jinja2 && python3 make-continued.py

The templates are those of the other files here. transformers' `continue_final_message` cuts the text after the last message's content, with
the white space at its end if the template keeps that.
"""

import json
import pathlib

import transformers
from transformers.utils.chat_template_utils import render_jinja_template

FOLDER = pathlib.Path(__file__).parent / "templates"
OPENED = [{"role": "user", "content": "Name three fruits."}]
TRIMMED = "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}<|end|>\n{% endfor %}"
KEPT = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}"
LAST = ["Apple, ", "Apple,\n\n", "  Apple, pear", "Name three fruits.", "üöä 🙂 ", "<|end|>", ""]


def named():
    yield "trimmed", TRIMMED, "", ""
    yield "kept", KEPT, "", ""
    for name in ["qwen3", "llama3"]:
        given = json.loads((FOLDER / f"{name}.json").read_text())
        yield name, given["template"], given["bos_token"], given["eos_token"]


def main():
    templates = []
    for name, template, bos, eos in named():
        cases = []
        for last in LAST:
            messages = [*OPENED, {"role": "assistant", "content": last}]
            rendered, _ = render_jinja_template(
                conversations=[messages], chat_template=template, continue_final_message=True, bos_token=bos, eos_token=eos
            )
            cases.append({"last": last, "text": rendered[0]})
        templates.append({"name": name, "template": template, "bos_token": bos, "eos_token": eos, "cases": cases})
    written = {"made_with": f"transformers {transformers.__version__}", "question": OPENED[0]["content"], "templates": templates}
    (FOLDER / "continued.json").write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
