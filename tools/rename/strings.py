"""Compare the string constants of two checkouts, without docstrings."""
import ast, sys, collections, subprocess
from pathlib import Path
def load(rev, repo):
    names = subprocess.run(["git","ls-tree","-r","--name-only",rev],cwd=repo,capture_output=True,text=True).stdout.split("\n")
    found = collections.Counter()
    fields = collections.Counter()
    for n in names:
        if not n.endswith(".py") or not n.startswith(sys.argv[3:] and tuple(sys.argv[3:]) or ("app/","bench/","dashboards/")): continue
        text = subprocess.run(["git","show",f"{rev}:{n}"],cwd=repo,capture_output=True,text=True).stdout
        tree = ast.parse(text)
        docs=set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant): docs.add(id(node.value))
            if isinstance(node, ast.ClassDef):
                bases=[ast.unparse(b) for b in node.bases]
                if any(b in ("BaseModel","SQLModel","BaseSettings") or b.endswith("Response") or b.endswith("Request") for b in bases):
                    for i in node.body:
                        if isinstance(i, ast.AnnAssign): fields[f"{node.name}.{i.target.id}"]+=1
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value,str) and id(node) not in docs:
                found[node.value]+=1
    return found, fields
a, fa = load(sys.argv[1], "."); b, fb = load(sys.argv[2], ".")
for k in sorted((a-b)): print("-", (a-b)[k], repr(k)[:150])
for k in sorted((b-a)): print("+", (b-a)[k], repr(k)[:150])
print("fields", fa-fb, fb-fa)
