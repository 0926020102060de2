#!/usr/bin/env bash
# Creates an archive of a system like Airbyte's Python base image: Debian, its Python and the user airbyte.
set -euo pipefail

archive=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

debootstrap --variant=minbase --include=ca-certificates,python3-venv bookworm "$folder" >"$archive.log" \
    || { tail "$archive.log" >&2; exit 1; }
chroot "$folder" useradd --uid 1000 --user-group --no-create-home --home-dir /nonexistent airbyte
chroot "$folder" install --directory --owner airbyte --group airbyte /airbyte
# Airbyte's base is built on the official Python images, which ship without bytecode.
find "$folder/usr/lib/python3"* -name '*.pyc' -delete
rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/*
tar --create --directory "$folder" --file "$archive.part" .
mv "$archive.part" "$archive"
