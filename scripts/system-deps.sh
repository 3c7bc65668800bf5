#!/usr/bin/env bash
# The Debian packages that the bundled suites and their tests use. Does nothing when they are there.
#   chromium: the report is opened in it    tesseract-ocr: OCR candidate and text in generated images
#   espeak-ng: speech synthesis             ffmpeg: audio and image formats
#   bubblewrap: the sandbox for code        fonts: rendered documents
set -euo pipefail
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"

# Ubuntu since 24.04 keeps ordinary users from making the namespaces that the sandbox is made of. On a machine that only
# runs our tests we may turn that off; on anybody else's, `evalkit doctor` says how to.
switch=kernel.apparmor_restrict_unprivileged_userns
if [ -n "${CI:-}" ] && [ "$(cat "/proc/sys/${switch//./\/}" 2>/dev/null || echo 0)" = 1 ]; then
  if [ -z "$sudo" ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }; then
    $sudo sysctl -q -w "$switch=0" || echo "system-deps: $switch stays 1: the sandbox does not work for ordinary users" >&2
  fi
fi

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need chromium chromium
need tesseract tesseract-ocr
need espeak-ng espeak-ng
need ffmpeg ffmpeg
need bwrap bubblewrap
[ -d /usr/share/fonts/truetype/dejavu ] || missing="$missing fonts-dejavu-core"
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null 2>&1 || { echo "system-deps: install by your system's package manager:$missing" >&2; exit 1; }
$sudo apt-get update -qq
# shellcheck disable=SC2086 - a list of packages
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
