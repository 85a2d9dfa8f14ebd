#!/usr/bin/env bash
# Run every check, one after the other; show each one's time, and the output of what fails. Exit 1 if any failed.
set -uo pipefail
mkdir -p .make/test
failed=()
start=$SECONDS

part() { # name, command …
  local name=$1 begun=$SECONDS
  shift
  echo "== $name"
  if "$@" > ".make/test/$name.log" 2>&1; then
    grep -E '^(=+ )?[0-9]+ (passed|failed)|Tests  |passed \(' ".make/test/$name.log" | tail -n 3
    echo "   ok, $((SECONDS - begun)) s"
  else
    tail -n "${TEST_TAIL:-120}" ".make/test/$name.log"
    echo "   FAILED, $((SECONDS - begun)) s"
    failed+=("$name")
  fi
}

part lint make --no-print-directory lint
part types make --no-print-directory types
part test-ts make --no-print-directory test-ts
part test-py make --no-print-directory test-py PYTEST_ARGS='-q --durations=15'
part docs make --no-print-directory docs
part test-wheel make --no-print-directory test-wheel
part test-ui make --no-print-directory test-ui

echo "== all parts: $((SECONDS - start)) s"
if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
tail -n 1 .make/test/test-py.log
