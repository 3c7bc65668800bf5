#!/usr/bin/env bash
# The Debian packages that the bundled suites and their tests use. Does nothing when they are there.
#   chromium: the report is opened in it    tesseract-ocr: OCR candidate and text in generated images
#   espeak-ng: speech synthesis             ffmpeg: audio and image formats
#   bubblewrap: the sandbox for code        fonts: rendered documents
set -euo pipefail
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need chromium chromium
need tesseract tesseract-ocr
need espeak-ng espeak-ng
need ffmpeg ffmpeg
need bwrap bubblewrap
[ -d /usr/share/fonts/truetype/dejavu ] || missing="$missing fonts-dejavu-core"
[ -n "$missing" ] || exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
command -v apt-get >/dev/null 2>&1 || { echo "system-deps: install by your system's package manager:$missing" >&2; exit 1; }
$sudo apt-get update -qq
# shellcheck disable=SC2086 - a list of packages
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
