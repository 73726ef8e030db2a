#!/bin/sh
# Installs edgeface as a service on Raspberry Pi OS, JetPack, Debian or Ubuntu; see docs/operations.md, "Installing".
#
#   install.sh                        from the bundle that this file lies in, or from a checkout (needs a network)
#   install.sh --bundle FILE          from a bundle of scripts/make-bundle, without a network
#   install.sh --roll-back            back to the version before
#   install.sh --uninstall [--purge]  --purge: the people, the key, the log and the settings too
#   install.sh --status               what is installed
#
#   --unattended      ask nothing
#   --config FILE     becomes /etc/edgeface/edgeface.toml
#   --relay OPTIONS   another relay than the settings': "--driver gpiozero --pin 17 --active-low"; becomes
#                     /etc/edgeface/doord.env, which otherwise is made from the settings (`edgeface door options`)
#   --start           start the services, also where nothing was running before
#   --numpy KIND      own: what comes with edgeface; system: this system's numpy (picamera2 on Bookworm needs that);
#                     opencv: this system's numpy and OpenCV (GStreamer on a Jetson). Left out: what fits this system
#
# Versions lie side by side in /usr/lib/edgeface/versions; `current` is a link to the one in use, changed in one step.
# What can fail is tried first: a version whose self-check or whose start fails is not kept, the one before stays.
set -eu
umask 022
export LC_ALL=C

PREFIX=/usr/lib/edgeface
CONFIG=/etc/edgeface
STATE=/var/lib/edgeface
UNITS=/usr/lib/systemd/system
COMMAND=/usr/local/bin/edgeface
NEED_MB=700       # a version with its environment (measured: 330 MB), and the bundle unpacked beside it
STEADY_S=8        # a service that lives this long after its start is taken to be well

say() { printf 'edgeface: %s\n' "$*"; }
fail() { printf 'edgeface: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p;}' "$0"; }

# ---- what is asked -----------------------------------------------------------------------------------------------

task=install bundle='' unattended='' config='' relay='' start='' purge='' numpy=''
while [ $# -gt 0 ]; do
    case $1 in
    --bundle | --config | --relay | --numpy)
        [ $# -gt 1 ] || fail "$1 wants a value; install.sh --help lists the options."
        case $1 in
        --bundle) bundle=$2 ;;
        --config) config=$2 ;;
        --relay) relay=$2 ;;
        --numpy) numpy=$2 ;;
        esac
        shift ;;
    --unattended) unattended=yes ;;
    --start) start=yes ;;
    --uninstall) task=uninstall ;;
    --purge) purge=yes ;;
    --roll-back) task=roll_back ;;
    --status) task=status ;;
    -h | --help) usage; exit 0 ;;
    *) printf 'edgeface: %s is no option; install.sh --help lists them.\n' "$1" >&2; exit 2 ;;
    esac
    shift
done
case $numpy in '' | own | system | opencv) ;; *) fail "--numpy is own, system or opencv, not $numpy." ;; esac
here=$(cd "$(dirname "$0")" && pwd)

# ---- small helpers -----------------------------------------------------------------------------------------------

systemd_runs() { [ -d /run/systemd/system ]; }
active() { systemd_runs && systemctl is-active --quiet "$1"; }
installed() { [ -L "$PREFIX/$1" ] && basename "$(readlink "$PREFIX/$1")"; }

confirm() {
    [ -z "$unattended" ] || return 0
    [ -t 0 ] || fail "nobody is here to be asked; say --unattended to go on without."
    printf 'edgeface: %s [y/N] ' "$1"
    read -r answer
    case $answer in [yY]*) ;; *) fail "nothing was changed." ;; esac
}

need_root() {
    [ "$(id -u)" = 0 ] || fail "this changes the system; run it as root: sudo $0"
}

one_at_a_time() {
    mkdir -p "$PREFIX"
    exec 9>"$PREFIX/.lock"
    flock -n 9 || fail "another installation is running; wait for it to end."
}

link() { # link NAME VERSION: in one step, so that a power cut leaves the old one or the new one
    ln -sfn "versions/$2" "$PREFIX/$1.new"
    mv -T "$PREFIX/$1.new" "$PREFIX/$1"
}

# ---- checks before anything is changed ---------------------------------------------------------------------------

check_machine() {
    [ "$(uname -s)" = Linux ] || fail "this is $(uname -s); edgeface runs on Linux."
    arch=$(uname -m)
    case $arch in
    aarch64 | x86_64) ;;
    arm64) arch=aarch64 ;;
    *) fail "this machine is $arch; edgeface needs a 64-bit system (aarch64 or x86_64)." ;;
    esac
    [ "$(getconf LONG_BIT)" = 64 ] ||
        fail "the kernel is 64-bit, but this system is 32-bit; install the 64-bit Raspberry Pi OS."
    name=unknown
    # shellcheck source=/dev/null
    [ ! -r /etc/os-release ] || name=$(. /etc/os-release && printf '%s %s' "$ID" "${VERSION_ID:-}")
    case $name in
    debian\ 1[23]* | raspbian\ 1[23]* | ubuntu\ 22.04* | ubuntu\ 24.04* | ubuntu\ 2[5-9]*) ;;
    *) say "this system ($name) is none of those that edgeface was made for; going on." ;;
    esac
    for tool in flock mv ln df tar sha256sum; do
        command -v "$tool" >/dev/null || fail "the program $tool is missing; install it first."
    done
}

check_python() {
    command -v python3 >/dev/null || fail "python3 is missing; run: apt-get install python3"
    python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $python in
    3.10 | 3.11 | 3.12 | 3.13) ;;
    *) fail "python3 is Python $python; edgeface needs 3.10 to 3.13." ;;
    esac
    python3 -c 'import venv, ssl, sqlite3' 2>/dev/null ||
        fail "python3 is incomplete (venv, ssl or sqlite3); run: apt-get install python3-venv"
}

check_space() {
    folder=$PREFIX
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    if ! touch "$folder/.edgeface-try" 2>/dev/null; then
        fail "$folder can't be written; where the root is read-only, make it writable for the installation."
    fi
    rm -f "$folder/.edgeface-try"
    free=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge $NEED_MB ] || fail "$folder has $free MB free, the installation needs $NEED_MB MB; make room first."
}

choose_numpy() {
    [ -z "$numpy" ] || return 0
    numpy=own
    # What is built against numpy 1 breaks beside numpy 2: picamera2 and its modules on Bookworm.
    if python3 - 2>/dev/null <<'PY'
import importlib.util as u, sys
if not u.find_spec("picamera2"): sys.exit(1)
import numpy
sys.exit(int(numpy.__version__.split(".")[0]) >= 2)
PY
    then numpy=system; fi
}

# ---- the bundle --------------------------------------------------------------------------------------------------

scratch=''
unfinished=''
tidy_up() {
    [ -z "$scratch" ] || rm -rf "$scratch"
    [ -z "$unfinished" ] || rm -rf "$unfinished"
}
trap tidy_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

open_bundle() { # sets $bundle to a folder with a checked bundle
    scratch=$(mktemp -d "$PREFIX/.unpacked-XXXXXX")
    if [ -z "$bundle" ] && [ -f "$here/BUNDLE" ]; then
        bundle=$here
    elif [ -z "$bundle" ]; then
        [ -f "$here/../constraints.txt" ] || fail "this is neither a bundle nor a checkout; name one with --bundle."
        say "making a bundle of this checkout (needs a network)"
        EDGEFACE_BUNDLE_VENV=$scratch/venv "$here/make-bundle" --native --out "$scratch" >"$scratch/name" ||
            fail "the bundle could not be made (see above); nothing was changed."
        bundle=$(cat "$scratch/name")
    fi
    if [ -f "$bundle" ]; then
        mkdir "$scratch/bundle"
        tar -xf "$bundle" --no-same-owner --no-same-permissions --strip-components 1 -C "$scratch/bundle" 2>/dev/null ||
            fail "$bundle is no bundle, or a damaged one; nothing was changed."
        bundle=$scratch/bundle
    fi
    if [ ! -f "$bundle/BUNDLE" ] || [ ! -f "$bundle/SHA256SUMS" ]; then
        fail "there is no bundle at $bundle; scripts/make-bundle makes one."
    fi
    (cd "$bundle" && sha256sum --check --quiet --strict SHA256SUMS >/dev/null 2>&1) ||
        fail "a file in the bundle is damaged or was changed; copy it here again. Nothing was changed."
    for_arch=$(sed -n 's/^arch=//p' "$bundle/BUNDLE")
    [ "$for_arch" = "$arch" ] || fail "the bundle is for $for_arch, this machine is $arch; make one with --arch $arch."
    [ -f "$bundle/requirements-$python.txt" ] ||
        fail "the bundle has no packages for Python $python; make one with --python $python."
    # The same build for another Python, or with other modules, is another version: one in use is never made anew.
    version=$(sed -n 's/^version=//p' "$bundle/BUNDLE")-$(sha256sum "$bundle/SHA256SUMS" | cut -c 1-8)-py$python
    [ "$numpy" = own ] || version=$version-$numpy
}

# ---- a version, aside --------------------------------------------------------------------------------------------

make_version() { # everything in versions/$version; the one in use is not touched
    place=$PREFIX/versions/$version
    [ ! -f "$place/.complete" ] || return 0
    rm -rf "$place"
    unfinished=$place
    mkdir -p "$place"
    site=''
    # The system's modules are wanted where there are any that no wheel has: picamera2, lgpio on Python 3.13, OpenCV.
    if [ "$numpy" != own ] || python3 -c 'import importlib.util as u, sys
sys.exit(not any(map(u.find_spec, ("picamera2", "lgpio"))))' 2>/dev/null; then
        site=--system-site-packages
    fi
    suffix=''
    [ "$numpy" = own ] || suffix=-system-$([ "$numpy" = system ] && echo numpy || echo opencv)
    say "installing version $version for Python $python${site:+, with the modules of this system}"
    # shellcheck disable=SC2086  # no option where $site is empty
    python3 -m venv --without-pip $site "$place/venv" || fail "the environment could not be made (see above)."
    for list in "requirements-$python$suffix.txt" requirements-edgeface.txt; do
        PIP_CONFIG_FILE=/dev/null "$place/venv/bin/python" -I "$bundle/pip.whl/pip" --disable-pip-version-check \
            --no-input --no-cache-dir install -qq --root-user-action=ignore --ignore-installed --no-index --no-deps \
            --no-compile --require-hashes --find-links "$bundle/wheels" -r "$bundle/$list" ||
            fail "the packages could not be installed (see above); the version in use, if any, is untouched."
    done
    # A service may not write here, and on a read-only root nobody may: compiled now or at every start.
    "$place/venv/bin/python" -I -m compileall -q -j 0 -x '/tests?/' "$place/venv/lib" >/dev/null 2>&1 || :
    cp -R "$bundle/systemd" "$bundle/config" "$bundle/docs" "$place/"
    cp "$bundle/BUNDLE" "$bundle/install.sh" "$bundle/LICENSE" "$place/"
    check_version
    touch "$place/.complete"
    sync -f "$place" 2>/dev/null || sync
    unfinished=''
}

check_version() { # does it run here, with the settings that are in force?
    run=$place/venv/bin/edgeface
    said=$("$run" version 2>&1) || fail "the new version does not run: $said"
    wanted=$config
    [ -n "$wanted" ] || { [ ! -f "$CONFIG/edgeface.toml" ] || wanted=$CONFIG/edgeface.toml; }
    if [ -n "$wanted" ]; then
        said=$("$run" config check --config "$wanted" 2>&1) || fail "the settings don't suit this version: $said"
        said=$("$run" door options --config "$wanted" 2>&1) || fail "the door's settings don't suit this version: $said"
    fi
    # Three pictures of nothing through the real models: their hashes, the runtime, OpenCV and numpy.
    mkdir "$scratch/pictures"
    said=$("$place/venv/bin/python" -I - "$scratch/pictures" 2>&1 <<'PY'
import sys
import cv2
import numpy as np
for n in range(3):
    picture = np.random.default_rng(n).integers(90, 160, (480, 640, 3), dtype=np.uint8)
    if not cv2.imwrite(f"{sys.argv[1]}/{n}.png", picture):
        sys.exit("OpenCV could not write a picture")
PY
    ) || fail "the new version's OpenCV does not work here: $said"
    said=$(EDGEFACE_CONFIG='' "$run" replay "$scratch/pictures" 2>&1) || fail "the new version's models do not run here: $said"
    rm -rf "$scratch/pictures"
    say "self-check: $("$run" version) runs, its models too"
}

# ---- into the system ---------------------------------------------------------------------------------------------

SERVICES='edgeface-doord.service edgeface.service'

place_files() { # the units and rules of the version in use
    from=$PREFIX/current/systemd
    mkdir -p "$UNITS" /usr/lib/sysusers.d /usr/lib/tmpfiles.d /usr/lib/udev/rules.d "$(dirname "$COMMAND")"
    for old in "$UNITS"/edgeface*; do
        [ -e "$from/$(basename "$old")" ] || rm -f "$old"
    done
    cp "$from"/*.service "$from"/*.timer "$UNITS/"
    cp "$from/sysusers.conf" /usr/lib/sysusers.d/edgeface.conf
    cp "$from/tmpfiles.conf" /usr/lib/tmpfiles.d/edgeface.conf
    cp "$from/edgeface.rules" /usr/lib/udev/rules.d/70-edgeface.rules
    if [ -e /dev/watchdog0 ]; then
        mkdir -p /usr/lib/systemd/system.conf.d
        cp "$from/hardware-watchdog.conf" /usr/lib/systemd/system.conf.d/edgeface-watchdog.conf
    fi
    ln -sfn "$PREFIX/current/venv/bin/edgeface" "$COMMAND"
    make_users
    if systemd_runs; then
        systemctl daemon-reload
        if udevadm control --reload 2>/dev/null; then
            udevadm trigger --subsystem-match=gpio --subsystem-match=video4linux --subsystem-match=media \
                --subsystem-match=dma_heap 2>/dev/null || :
        fi
    fi
}

make_users() {
    if command -v systemd-sysusers >/dev/null && systemd-sysusers /usr/lib/sysusers.d/edgeface.conf; then :; else
        for group in edgeface gpio video; do
            getent group $group >/dev/null || groupadd --system $group
        done
        id edgeface >/dev/null 2>&1 ||
            useradd --system --gid edgeface --home-dir $STATE --no-create-home --shell /usr/sbin/nologin edgeface
        id edgeface-doord >/dev/null 2>&1 ||
            useradd --system --gid edgeface --home-dir / --no-create-home --shell /usr/sbin/nologin edgeface-doord
    fi
    install -d -m 755 "$CONFIG"
    install -d -m 700 -o edgeface -g edgeface "$STATE"
}

place_settings() { # never over what is there, unless it was given
    rm -f "$CONFIG/edgeface.toml.before" "$CONFIG/doord.env.before"
    if [ -n "$config" ]; then
        put edgeface.toml <"$config"
    elif [ ! -e "$CONFIG/edgeface.toml" ]; then
        put edgeface.toml <"$PREFIX/current/config/edgeface.toml"
    fi
    # The door process reads an environment file, not the settings; it is made from them.
    if [ -n "$relay" ]; then
        printf 'EDGEFACE_RELAY=%s\n' "$relay" | put doord.env
    elif [ -n "$config" ] || [ ! -e "$CONFIG/doord.env" ]; then
        said=$("$PREFIX/current/venv/bin/edgeface" door options --config "$CONFIG/edgeface.toml") ||
            fail "the door process's options can't be made of these settings (see above)."
        printf '%s\n' "$said" | put doord.env
    fi
}

put() { # put NAME <content: whole or not at all; what was there is kept as NAME.before
    [ ! -f "$CONFIG/$1" ] || cp -p "$CONFIG/$1" "$CONFIG/$1.before"
    cat >"$CONFIG/.$1.new"
    mv "$CONFIG/.$1.new" "$CONFIG/$1"
}

restore_settings() { # what place_settings has replaced
    for name in edgeface.toml doord.env; do
        [ ! -f "$CONFIG/$name.before" ] || mv "$CONFIG/$name.before" "$CONFIG/$name"
    done
}

start_services() { # 0 where both are up and stay up
    # Stopped first: a restart that systemd has planned meanwhile would count as one of the new start's.
    # shellcheck disable=SC2086  # a list
    systemctl stop $SERVICES 2>/dev/null || :
    # shellcheck disable=SC2086
    systemctl reset-failed $SERVICES 2>/dev/null || :
    # shellcheck disable=SC2086
    systemctl start $SERVICES || return 1
    pids=$(main_pids)
    seconds=0
    while [ $seconds -lt $STEADY_S ]; do
        sleep 1
        seconds=$((seconds + 1))
        [ "$(main_pids)" = "$pids" ] || return 1
    done
    for unit in $SERVICES; do active "$unit" || return 1; done
}

main_pids() {
    # shellcheck disable=SC2086
    systemctl show -p MainPID --value $SERVICES
}

why_not() { # the last words of the services
    for unit in $SERVICES; do
        active "$unit" || journalctl -q --no-pager -n 5 -o cat -u "$unit" 2>/dev/null | sed "s/^/  $unit: /" >&2 || :
    done
}

# ---- the tasks ---------------------------------------------------------------------------------------------------

do_install() {
    [ -z "$config" ] || [ -r "$config" ] || fail "the settings $config can't be read."
    [ -z "$bundle" ] || [ -e "$bundle" ] || fail "there is no bundle at $bundle."
    check_machine
    check_python
    check_space
    choose_numpy
    confirm "install edgeface in $PREFIX?"
    one_at_a_time
    open_bundle
    before=$(installed current || :)
    was_active=''
    active edgeface.service && was_active=yes
    if [ "$before" = "$version" ] && [ -f "$PREFIX/versions/$version/.complete" ] && [ -z "$config$relay$start" ]; then
        place_files
        say "version $version is installed already."
        return 0
    fi
    make_version
    link current "$version"
    place_files
    place_settings
    if systemd_runs && { [ -n "$was_active" ] || [ -n "$start" ]; }; then
        # shellcheck disable=SC2086  # a list
        systemctl enable --quiet $SERVICES
        say "starting (the door is locked for a moment)"
        if ! start_services; then
            why_not
            put_back
        fi
    fi
    [ -z "$before" ] || [ "$before" = "$version" ] || link previous "$before"
    forget_old
    say "version $version is installed."
    tell_next
}

put_back() { # the new version does not start
    # shellcheck disable=SC2086  # a list
    if [ -z "$before" ] || [ "$before" = "$version" ]; then
        fail "the services do not start (see above); version $version stays installed. The door is locked."
    fi
    link current "$before"
    place_files
    restore_settings
    start_services || { why_not; fail "neither version $version nor $before starts; the door is locked."; }
    rm -rf "$PREFIX/versions/$version"
    fail "version $version did not start (see above); version $before is in use again."
}

forget_old() { # this one and the one before are kept
    for old in "$PREFIX"/versions/*; do
        case $(basename "$old") in
        "$(installed current)" | "$(installed previous)") ;;
        *) rm -rf "$old" ;;
        esac
    done
}

tell_next() {
    if active edgeface.service; then
        say "running. 'edgeface door status' shows how it is."
    elif systemd_runs; then
        say "next: say which relay and camera in $CONFIG (edgeface.toml, doord.env), check with 'edgeface config check',"
        say "then: systemctl enable --now edgeface-doord edgeface"
    else
        say "systemd does not run here; the units are in place for when it does."
    fi
}

roll_back() {
    need_root
    one_at_a_time
    version=$(installed current) || fail "edgeface is not installed."
    before=$(installed previous) || fail "there is no version before $version."
    [ -f "$PREFIX/versions/$before/.complete" ] || fail "version $before is no longer complete."
    confirm "go back from version $version to $before?"
    was_active=''
    active edgeface.service && was_active=yes
    link current "$before"
    link previous "$version"
    place_files
    if [ -n "$was_active" ] && ! start_services; then
        why_not
        fail "version $before is in place but does not start (see above); the door is locked."
    fi
    say "version $before is in use again."
}

uninstall() {
    need_root
    [ -d "$PREFIX" ] || [ -n "$purge" ] || fail "edgeface is not installed."
    if [ -n "$purge" ]; then
        confirm "remove edgeface, its settings, its people, their key and the log for good?"
    else
        confirm "remove edgeface? The people, the log and the settings stay."
    fi
    if systemd_runs; then
        # The daemon first: the door process locks when it ends.
        systemctl disable --quiet --now edgeface.service edgeface-doord.service 2>/dev/null || :
        systemctl stop 'edgeface-retry@*' 2>/dev/null || :
    else
        rm -f /etc/systemd/system/multi-user.target.wants/edgeface.service \
            /etc/systemd/system/multi-user.target.wants/edgeface-doord.service
    fi
    rm -f "$UNITS"/edgeface.service "$UNITS"/edgeface-doord.service "$UNITS"/edgeface-retry@.* \
        /usr/lib/sysusers.d/edgeface.conf /usr/lib/tmpfiles.d/edgeface.conf /usr/lib/udev/rules.d/70-edgeface.rules \
        /usr/lib/systemd/system.conf.d/edgeface-watchdog.conf "$COMMAND"
    rm -rf "$PREFIX"
    ! systemd_runs || systemctl daemon-reload
    if [ -n "$purge" ]; then
        rm -rf "$STATE" "$STATE-doord" "$CONFIG" /etc/systemd/system/edgeface.service.d /etc/systemd/system/edgeface-doord.service.d
        rm -f /etc/credstore.encrypted/edgeface-key
        for user in edgeface-doord edgeface; do
            ! id $user >/dev/null 2>&1 || userdel $user || say "the user $user could not be removed (see above)."
        done
        for group in edgeface-doord edgeface; do
            ! getent group $group >/dev/null || groupdel $group || say "the group $group could not be removed (see above)."
        done
        say "edgeface and everything of it is gone."
    else
        say "edgeface is removed; $STATE and $CONFIG stay, and the users who own them."
    fi
}

status() {
    version=$(installed current) || fail "edgeface is not installed."
    say "version $version"
    ! before=$(installed previous) || say "version $before can be rolled back to"
    for unit in $SERVICES; do
        ! systemd_runs || say "$unit: $(systemctl is-active "$unit" || :)"
    done
}

case $task in
install)
    need_root
    do_install ;;
*) $task ;;
esac
