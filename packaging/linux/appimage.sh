#!/bin/sh
# appimage.sh TREE APPDIR TARGET: an AppDir from the tarball's tree, and from that an AppImage where appimagetool is.
set -eu
tree=$1 appdir=$2 target=$3
rm -rf "$appdir"
mkdir -p "$appdir/usr/lib" "$appdir/usr/bin"
cp -a "$tree/gistdesk" "$appdir/usr/lib/gistdesk"
cp -a "$tree/share" "$appdir/usr/share"
ln -s ../lib/gistdesk/gistdesk "$appdir/usr/bin/gistdesk"
ln -s usr/lib/gistdesk/gistdesk "$appdir/AppRun"
cp "$tree/share/applications/gistdesk.desktop" "$appdir/"
cp "$tree/share/icons/hicolor/256x256/apps/gistdesk.png" "$appdir/"
ln -s gistdesk.png "$appdir/.DirIcon"
if command -v appimagetool >/dev/null; then
    appimagetool --no-appstream "$appdir" "$target"
else
    echo "appimagetool is not installed: $appdir is ready for it, no AppImage was made."
fi
