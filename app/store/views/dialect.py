"""What the two databases write differently in a view: instants, JSON, and bytes as text. Each method returns SQL."""

from typing import Protocol


class Dialect(Protocol):
    """Writes SQL from SQL; the names of JSON members are ours and never a stranger's."""

    prefix: str
    """What stands before a view's name."""
    now: str
    """The present moment in milliseconds."""

    def at(self, milliseconds: str) -> str:
        """Write an instant as Grafana takes it."""
        ...

    def walk(self, array: str, name: str) -> str:
        """Write a row source: a JSON array's elements, as ``name.value``."""
        ...

    def walk_texts(self, array: str, name: str) -> str:
        """Write the same for an array of texts."""
        ...

    def position(self, name: str) -> str:
        """Write the position, from 0, of an element that is walked."""
        ...

    def members(self, json: str, name: str) -> str:
        """Write a row source: the members of a JSON object of texts, as ``name.key`` and ``name.value``."""
        ...

    def member(self, json: str, name: str) -> str:
        """Write a member that is an array or an object; ``name`` is SQL."""
        ...

    def text(self, json: str, name: str) -> str:
        """Write a member as text."""
        ...

    def truth(self, json: str, name: str) -> str:
        """Write a member that is true, false or null."""
        ...

    def whole(self, json: str, name: str) -> str:
        """Write a member as an integer."""
        ...

    def text_at(self, array: str, position: str, name: str) -> str:
        """Write a member of an array's element as text."""
        ...

    def hex(self, blob: str) -> str:
        """Write bytes in hexadecimal."""
        ...

    def keyed(self, table: str, key: str, columns: tuple[str, ...]) -> str:
        """Write a row source of a table whose key, of bytes, is to be met in hexadecimal by `meets`."""
        ...

    def meets(self, key: str, hexadecimal: str) -> str:
        """Write that a key of `keyed` is the one written in hexadecimal."""
        ...

    def joined(self, text: str) -> str:
        """Write the texts of a group with commas between them."""
        ...

    def common_name(self, name: str) -> str:
        """Write the common name of a distinguished name (``O=…,CN=…``), to the next comma; without one, all."""
        ...


class Postgres:
    """Instants are ``timestamptz``."""

    prefix = "grafana."
    now = "(extract(epoch FROM now())::bigint * 1000)"

    def at(self, milliseconds: str) -> str:
        """Write a ``timestamptz``."""
        return f"to_timestamp({milliseconds} / 1000.0::double precision)"

    def walk(self, array: str, name: str) -> str:
        """Walk with numbers from 1."""
        return f"json_array_elements({array}) WITH ORDINALITY AS {name}(value, number)"

    def walk_texts(self, array: str, name: str) -> str:
        """Walk with numbers from 1."""
        return f"json_array_elements_text({array}) WITH ORDINALITY AS {name}(value, number)"

    def position(self, name: str) -> str:
        """Count from 0 what PostgreSQL counts from 1."""
        return f"({name}.number - 1)"

    def members(self, json: str, name: str) -> str:
        """Walk in the order of the text."""
        return f"json_each_text({json}) AS {name}"

    def member(self, json: str, name: str) -> str:
        """Take a member."""
        return f"({json} -> {name})"

    def text(self, json: str, name: str) -> str:
        """Take a text."""
        return f"({json} ->> '{name}')"

    def truth(self, json: str, name: str) -> str:
        """Take a boolean."""
        return f"({json} ->> '{name}')::boolean"

    def whole(self, json: str, name: str) -> str:
        """Take an integer."""
        return f"({json} ->> '{name}')::integer"

    def text_at(self, array: str, position: str, name: str) -> str:
        """Take a text of an element."""
        return f"({array} -> {position}::integer ->> '{name}')"

    def hex(self, blob: str) -> str:
        """Encode."""
        return f"encode({blob}, 'hex')"

    def keyed(self, table: str, key: str, columns: tuple[str, ...]) -> str:
        """Take the table, for its index."""
        return table

    def meets(self, key: str, hexadecimal: str) -> str:
        """Decode what is looked for."""
        return f"{key} = decode({hexadecimal}, 'hex')"

    def joined(self, text: str) -> str:
        """Join in the order in which they come."""
        return f"string_agg({text}, ', ')"

    def common_name(self, name: str) -> str:
        """Take it by a pattern."""
        return f"COALESCE(substring({name} FROM 'CN=([^,]+)'), {name})"


class Sqlite:
    """Instants are whole seconds since the Unix epoch; truth is 1 or 0."""

    prefix = ""
    now = "(strftime('%s', 'now') * 1000)"

    def at(self, milliseconds: str) -> str:
        """Write seconds, rounded down."""
        return f"({milliseconds} / 1000)"

    def walk(self, array: str, name: str) -> str:
        """Walk with keys from 0."""
        return f"json_each({array}) AS {name}"

    def walk_texts(self, array: str, name: str) -> str:
        """Walk with keys from 0."""
        return f"json_each({array}) AS {name}"

    def position(self, name: str) -> str:
        """Take the key."""
        return f"{name}.key"

    def members(self, json: str, name: str) -> str:
        """Walk in the order of the text."""
        return f"json_each({json}) AS {name}"

    def member(self, json: str, name: str) -> str:
        """Take a member."""
        return f"json_extract({json}, '$.' || {name})"

    def text(self, json: str, name: str) -> str:
        """Take a text."""
        return f"json_extract({json}, '$.{name}')"

    def truth(self, json: str, name: str) -> str:
        """Take 1 or 0."""
        return f"json_extract({json}, '$.{name}')"

    def whole(self, json: str, name: str) -> str:
        """Take an integer."""
        return f"json_extract({json}, '$.{name}')"

    def text_at(self, array: str, position: str, name: str) -> str:
        """Take a text of an element."""
        return f"json_extract({array}, '$[' || {position} || '].{name}')"

    def hex(self, blob: str) -> str:
        """Encode."""
        return f"lower(hex({blob}))"

    def keyed(self, table: str, key: str, columns: tuple[str, ...]) -> str:
        """Encode all keys: versions before 3.41 cannot decode. DISTINCT keeps it apart, so that it gets an index."""
        return f"(SELECT DISTINCT {self.hex(key)} AS {key}, {', '.join(columns)} FROM {table})"

    def meets(self, key: str, hexadecimal: str) -> str:
        """Compare the texts."""
        return f"{key} = {hexadecimal}"

    def joined(self, text: str) -> str:
        """Join in the order in which they come."""
        return f"group_concat({text}, ', ')"

    def common_name(self, name: str) -> str:
        """Take it by its place; SQLite has no patterns."""
        rest = f"substr({name}, instr({name}, 'CN=') + 3)"
        upto = f"substr({rest}, 1, instr({rest} || ',', ',') - 1)"
        return f"CASE WHEN instr({name}, 'CN=') > 0 AND {upto} <> '' THEN {upto} ELSE {name} END"


def instant(sql: Dialect, milliseconds: str, name: str) -> str:
    """Write two columns: an instant as Grafana takes it, and as the table has it, so that ranges use an index."""
    return f"{sql.at(milliseconds)} AS {name}, {milliseconds} AS {name}_ms"


DIALECTS: dict[str, Dialect] = {"postgresql": Postgres(), "sqlite": Sqlite()}
