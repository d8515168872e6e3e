#!/bin/sh
# Fill .venv from requirements.lock (through uv when it is there, pip otherwise) and install sna into it.
set -eu
PYTHON="${PYTHON:-python3}"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "sna needs Python 3.11 or newer; $PYTHON is $("$PYTHON" --version 2>&1)." >&2
  echo "Hint: make PYTHON=python3.12 ..." >&2
  exit 1
}
rm -rf .venv
echo "Setting up .venv (once; about 20 seconds with uv, some minutes with pip) ..."
"$PYTHON" -m venv .venv
if command -v uv >/dev/null 2>&1; then
  VIRTUAL_ENV="$PWD/.venv" uv pip install --quiet --require-hashes -r requirements.lock
  VIRTUAL_ENV="$PWD/.venv" uv pip install --quiet --no-deps --no-build-isolation -e .
else
  .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
  .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
fi
touch .venv/.ready
