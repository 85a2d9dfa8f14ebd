#!/usr/bin/env bash
# Install what the tests need from outside Python and npm: a browser with fonts, PostgreSQL, git.
# On Debian and Ubuntu as root by apt; elsewhere the browser is Playwright's own, and the rest is named.
set -euo pipefail

missing=()
have_chromium() { [ -n "${CHROMIUM:-}" ] || [ -x /usr/bin/chromium ]; }
have_chromium || missing+=(chromium fonts-dejavu-core fonts-liberation fonts-noto-cjk)
compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || command -v initdb > /dev/null || missing+=(postgresql)
command -v git > /dev/null || missing+=(git)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  echo "Installing system packages: ${missing[*]} …"
  log=$(mktemp)
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"; } \
    > "$log" 2>&1 || { tail -n 30 "$log"; exit 1; }
  rm -f "$log"
else
  echo "These system packages are missing: ${missing[*]}"
  echo "Tests that need PostgreSQL are skipped without it (Debian: sudo apt-get install postgresql)."
  if ! have_chromium; then
    echo "For the browser tests:  npx playwright install chromium   (or set CHROMIUM to a Chromium program)"
  fi
fi
