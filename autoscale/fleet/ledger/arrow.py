"""Rows as Arrow tables and Parquet files: what every engine reads. Needs the extra ``fleet``."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoscale.errors import InvalidInput
from autoscale.extras import package
from autoscale.files import atomic_write
from autoscale.fleet.ledger.column import ABSENT, Column
from autoscale.fleet.ledger.digest import DigestingFile
from autoscale.fleet.ledger.rows import Ints, Mask, Rows, Texts, with_all_columns
from autoscale.fleet.ledger.schema import BY_NAME, COLUMNS, SCHEMA

ROW_GROUP: Final = 1 << 20
MOST_WORDS_BYTES: Final = 1 << 24
"""Of a column's words in a row group; beyond, each row has its text. A few thousand of ``considered`` are some MB."""
_EXTRA: Final = "the fleet's ledger"


def arrow(part: str = "") -> Any:
    """The package pyarrow, or a part of it.

    Raises:
        MissingExtra: it is not installed.
    """
    return optional_package(f"pyarrow.{part}" if part else "pyarrow")


def optional_package(name: str) -> Any:
    """A package of the extra, or a part of it.

    Raises:
        MissingExtra: it is not installed.
    """
    return package(name, "fleet", _EXTRA)


def arrow_schema() -> Any:
    """The ``pyarrow.Schema`` of a Parquet file of accepted rows."""
    return arrow().schema(_field(each) for each in COLUMNS)


def _field(column: Column) -> Any:
    pa = arrow()
    types = {"int64": pa.int64(), "int32": pa.int32(), "bool": pa.bool_(), "text": pa.string()}
    return pa.field(column.name, types[column.kind], column.optional)


def table_of(rows: Rows) -> Any:
    """The ``pyarrow.Table`` of rows; texts stay dictionaries in memory, which Parquet then stores as plain strings."""
    pa = arrow()
    columns = [_array(pa, column, rows) for column in COLUMNS]
    fields = [pa.field(each.name, made.type, each.optional) for each, made in zip(COLUMNS, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def sums_table_of(numbers: Mapping[str, Ints], texts: Mapping[str, Texts], reasons: Texts | None = None) -> Any:
    """The ``pyarrow.Table`` of hourly sums, of rejected ones with why; absent texts are null, as in files of rows."""
    pa = arrow()
    told = {} if reasons is None else {"reason": _dictionary(pa, reasons)}
    whole = told | {name: _of_buffers(pa, pa.int64(), len(values), None, values) for name, values in numbers.items()}
    return pa.table(whole | {name: _text_array(pa, BY_NAME[name], each) for name, each in texts.items()})


def rejected_table_of(rows: Rows, reasons: Texts) -> Any:
    """Rejected rows as they came: every number as int64, nothing null, and why each was rejected."""
    pa = arrow()
    columns = [
        _dictionary(pa, rows.texts[each.name])
        if each.is_text
        else _of_buffers(pa, pa.int64(), len(rows), None, rows.numbers[each.name])
        for each in COLUMNS
    ]
    return pa.table([_dictionary(pa, reasons), *columns], names=["reason", *(each.name for each in COLUMNS)])


def write_parquet(table: Any, path: Path) -> str:
    """Write a table as the ledger's Parquet: zstd, dictionaries for texts alone; whole or not at all.

    Returns the sha256 of what was meant to be written, so that a disk which writes something else is found out.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    content = arrow().BufferOutputStream()
    arrow("parquet").write_table(table, content, row_group_size=ROW_GROUP, **_options(table.schema))
    with atomic_write(path) as file:
        digesting = DigestingFile(file)
        digesting.write(memoryview(content.getvalue()))
        return digesting.finish()


def merge_parquet(sources: Sequence[Path], path: Path, rows: int) -> str:
    """Write the rows of several files into one, a row group at a time; files of older schemas get today's columns.

    Returns the sha256 of what was written.

    Raises:
        OSError: the disk is full, a file cannot be read or is of a later schema, or they do not have that many rows;
            nothing was written.
    """
    try:
        with atomic_write(path) as file:
            digesting = DigestingFile(file)
            merged = _merge(sources, digesting)
            if merged != rows:
                raise OSError(f"{len(sources)} files beside '{path}' have {merged} rows; {rows} were written")
            return digesting.finish()
    except arrow().ArrowException as error:  # some of them are OSErrors, and some are not
        raise OSError(f"a file beside '{path}' is damaged: {error}") from error


def rows_of_rejected(path: Path) -> tuple[Rows, Texts]:
    """What ``rejected_table_of`` was made of, whatever schema it had: rejected rows, and why each was.

    Raises:
        OSError: it cannot be read.
        InvalidInput: a later version wrote it.
    """
    try:
        table = arrow("parquet").ParquetFile(path).read()
    except arrow().ArrowException as error:
        raise OSError(f"'{path}' is damaged: {error}") from error
    if later := _later(table.column_names, "reason"):
        raise InvalidInput(f"'{path}' has the columns {later}; allowed: those up to schema {SCHEMA}; update AutoScale")
    texts = {name: _texts_of(table[name]) for name in table.column_names if arrow().types.is_string(table[name].type)}
    numbers = {name: table[name].to_numpy() for name in table.column_names if name not in texts}
    reasons = texts.pop("reason")
    return with_all_columns(Rows(numbers, texts)), reasons


def is_readable(path: Path, rows: int) -> bool:
    """Whether every page of a file can be read, and has the checksum it says, and there are that many rows."""
    try:
        table = arrow("parquet").ParquetFile(path, page_checksum_verification=True).read()
    except (arrow().ArrowException, OSError):
        return False
    return int(table.num_rows) == rows


def _texts_of(column: Any) -> Texts:
    encoded = column.combine_chunks().dictionary_encode()
    return Texts(encoded.indices.to_numpy(), tuple(encoded.dictionary.to_pylist()))


def _merge(sources: Sequence[Path], file: DigestingFile) -> int:
    schema, rows = arrow_schema(), 0
    with arrow("parquet").ParquetWriter(file, schema, **_options(schema)) as writer:
        for batch in _groups(sources):
            writer.write_table(batch, row_group_size=ROW_GROUP)
            rows += batch.num_rows
    return rows


def _groups(sources: Sequence[Path]) -> Iterator[Any]:
    """Tables of about ``ROW_GROUP`` rows, since many small row groups are slow to read."""
    pa, pq = arrow(), arrow("parquet")
    waiting: list[Any] = []
    for source in sources:
        file = pq.ParquetFile(source)
        if later := _later(file.schema_arrow.names):
            raise OSError(f"'{source}' has the columns {later} of a later schema than {SCHEMA}; it stays as it is")
        for index in range(file.num_row_groups):
            waiting.append(_completed(file.read_row_group(index)))
            if sum(each.num_rows for each in waiting) >= ROW_GROUP:
                yield pa.concat_tables(waiting)
                waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _completed(table: Any) -> Any:
    """A table with every column: in those that it lacks is what rows of older schemas have."""
    has = set(table.column_names)
    columns = [table[each.name] if each.name in has else _constant(each, table.num_rows) for each in COLUMNS]
    return arrow().Table.from_arrays(columns, schema=arrow_schema())


def _constant(column: Column, rows: int) -> Any:
    pa, kind = arrow(), _field(column).type
    return pa.nulls(rows, kind) if column.default is None else pa.repeat(pa.scalar(column.default, kind), rows)


def _later(names: Sequence[str], *beside: str) -> list[str]:
    """Columns that a later version must have written."""
    return sorted(set(names).difference(BY_NAME, beside))


def _options(schema: Any) -> dict[str, Any]:
    types = arrow().types
    texts = [each.name for each in schema if types.is_string(each.type) or types.is_dictionary(each.type)]
    # differences take as little room as plain numbers and are read three times as fast, for less to decompress
    differences = {each.name: "DELTA_BINARY_PACKED" for each in schema if types.is_integer(each.type)}
    return {
        "compression": "zstd",
        "use_dictionary": texts,
        "dictionary_pagesize_limit": MOST_WORDS_BYTES,
        "column_encoding": differences,
        # nothing asks for the ends of words, which take a fifth of the time that writing a small file does
        "write_statistics": [each.name for each in schema if each.name not in texts],
        "store_schema": False,
        "write_page_checksum": True,  # for who reads a file without the manifest, which has its digest
    }


# Arrays are made of buffers: pyarrow's own ways from numpy and lists import pandas, where it is installed, to look
# whether they were given some of it, which costs the first commit 0.2 s and every collector 50 MB.


def _array(pa: Any, column: Column, rows: Rows) -> Any:
    if column.is_text:
        return _text_array(pa, column, rows.texts[column.name])
    values = rows.numbers[column.name]
    is_there = values != ABSENT if column.optional else None
    if column.kind == "bool":
        return _of_buffers(pa, pa.bool_(), len(values), is_there, np.packbits(values != 0, bitorder="little"))
    kind, dtype = (pa.int64(), np.int64) if column.kind == "int64" else (pa.int32(), np.int32)
    return _of_buffers(pa, kind, len(values), is_there, values.astype(dtype, copy=False))


def _text_array(pa: Any, column: Column, texts: Texts) -> Any:
    is_absent = column.optional and "" in texts.words
    return _dictionary(pa, texts, texts.codes != texts.words.index("") if is_absent else None)


def _dictionary(pa: Any, texts: Texts, is_there: Mask | None = None) -> Any:
    codes = _of_buffers(pa, pa.int32(), len(texts.codes), is_there, texts.codes)
    encoded = [word.encode() for word in texts.words]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.DictionaryArray.from_arrays(codes, pa.Array.from_buffers(pa.string(), len(encoded), buffers))


def _of_buffers(pa: Any, kind: Any, length: int, is_there: Mask | None, values: NDArray[Any]) -> Any:
    validity = None if is_there is None else pa.py_buffer(np.packbits(is_there, bitorder="little"))
    return pa.Array.from_buffers(kind, length, [validity, pa.py_buffer(np.ascontiguousarray(values))])
