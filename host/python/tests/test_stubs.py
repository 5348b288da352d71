"""The stubs name what the native module has, with its arguments, and say the same of it."""

import ast
import inspect
import pathlib
import sys

import equalinfo
from equalinfo import _native

STUBS = pathlib.Path(equalinfo.__file__).with_name("_native.pyi")


def arguments(function):
    every = function.args
    return [argument.arg for argument in (*every.posonlyargs, *every.args, *every.kwonlyargs)]


def members(body):
    return {one.name: one for one in body if isinstance(one, (ast.FunctionDef, ast.ClassDef))}


def line(text):
    return " ".join(text.split())


def check(stub, found, name):
    if getattr(stub, "name", "") != "__new__":
        assert line(found.__doc__) == line(ast.get_docstring(stub).split("\n\n")[0]), name
    if isinstance(stub, ast.ClassDef):
        stubs = members(stub.body)
        public = {member for member in vars(found) if not member.startswith("_")}
        assert public == {member for member in stubs if not member.startswith("_")}, name
        for member in stubs:
            check(stubs[member], getattr(found, member), f"{name}.{member}")
    elif not any(isinstance(one, ast.Name) and one.id == "property" for one in stub.decorator_list):
        # A class is called without the class.
        expected = [argument for argument in arguments(stub) if argument not in ("cls", "self")]
        if stub.name == "__new__" and sys.version_info < (3, 10):
            return
        signature = inspect.signature(found.__self__ if stub.name == "__new__" else found)
        assert [argument for argument in signature.parameters if argument != "self"] == expected, name


def test_stubs_are_those_of_the_module():
    stubs = members(ast.parse(STUBS.read_text("utf-8")).body)
    assert set(stubs) | {"VERSION"} == {name for name in vars(_native) if not name.startswith("_")}
    for name, stub in stubs.items():
        check(stub, getattr(_native, name), name)
