"""Write what the definition makes: ``python -m dashboards``."""

from pathlib import Path

from dashboards.definition import files

if __name__ == "__main__":
    for name, text in files().items():
        path = Path(__file__).parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
