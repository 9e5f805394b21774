"""The fence ```mermaid of a page becomes SVG while the site is built, so that readers need no script from another host.

`zensical.toml` names `svg`; Git hosts draw the same fences themselves.
"""

import hashlib
import threading
from typing import Any

import mermaidx
from pymdownx.superfences import SuperFencesException

_one_at_a_time = threading.Lock()  # pages are built by several threads, and the JavaScript engine is not made for that


def svg(source: str, _language: str, _class: str, _options: dict[str, Any], _markdown: Any, **_more: Any) -> str:
    """Draw *source*, in mermaid's language; the arguments are those of a formatter of pymdownx.superfences."""
    try:
        with _one_at_a_time:
            drawn = mermaidx.render(source).svg()
    except RuntimeError as error:
        raise SuperFencesException(str(error)) from error  # anything else would show the source, and build the site
    name = "picture-" + hashlib.sha256(source.encode()).hexdigest()[:8]  # several stand on one page
    return f'<figure class="picture">{drawn.replace("my-svg", name)}</figure>'
