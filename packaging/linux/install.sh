#!/bin/sh
# Makes this folder's gistdesk a program of the desktop, for the user who runs it; nothing outside ~/.local is touched.
#     sh install.sh            links and registers; the program stays in this folder
#     sh install.sh remove     takes both back; documents, gists and chats are kept
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=${XDG_DATA_HOME:-$HOME/.local/share}
bin=$HOME/.local/bin

refresh() {
    command -v update-desktop-database >/dev/null && update-desktop-database -q "$data/applications" || true
    command -v update-mime-database >/dev/null && update-mime-database "$data/mime" >/dev/null 2>&1 || true
    command -v gtk-update-icon-cache >/dev/null && gtk-update-icon-cache -q -t -f "$data/icons/hicolor" || true
}

cd "$here/share"
if [ "${1:-}" = remove ]; then
    find . -type f | while read -r file; do rm -f "$data/$file"; done
    rm -f "$bin/gistdesk"
    rm -rf "$data/gistdesk/cuda" # what a set-up of CUDA fetched is the program's, not the user's
    refresh
    echo "gistdesk is no longer registered. Its data is still in $data/gistdesk."
    exit 0
fi
find . -type f | while read -r file; do
    mkdir -p "$data/$(dirname "$file")"
    cp "$file" "$data/$file"
done
# a desktop entry wants quotes around a path with spaces, and has its own escapes inside them
quoted=$(printf '%s' "$here/gistdesk/gistdesk" | sed 's/[\\"`$]/\\\\&/g; s/%/%%/g; s/[&|\\]/\\&/g')
sed -i "s|^Exec=gistdesk|Exec=\"$quoted\"|; /^TryExec=/d" "$data/applications/gistdesk.desktop"
mkdir -p "$bin"
ln -sf "$here/gistdesk/gistdesk" "$bin/gistdesk"
refresh
echo "gistdesk is in your menu, and $bin/gistdesk starts it. To take this back: sh \"$here/install.sh\" remove"
