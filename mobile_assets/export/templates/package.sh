#!/bin/sh
# Makes an asset pack for the App Store of this folder. Needs a Mac with Xcode 26 or newer.
set -eu
cd "$(dirname "$0")/.."
shasum -a 256 -c SHA256SUMS
§{compile}xcrun ba-package BackgroundAssets/Manifest.json -o "§{archive}"
