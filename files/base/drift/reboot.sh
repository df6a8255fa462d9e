# shellcheck shell=sh
# Why a reboot is needed. Kernels are compared with those of the flavour that runs, such as `-amd64`
# or `-cloud-amd64`: both may be installed.
[ ! -e /run/reboot-required ] ||
    echo "required by $(sort -u /run/reboot-required.pkgs 2>/dev/null | tr '\n' ' ')"
running=$(uname -r)
[ ! -e "/boot/vmlinuz-$running" ] || {
    version='[0-9.]+([+~][^-]*)?(-[0-9]+)?'
    flavour=$(echo "$running" | sed -E "s/^$version//")
    # shellcheck disable=SC2010  # Kernel file names hold no blanks; a glob cannot match versions.
    newest=$(ls /boot | grep -xE "vmlinuz-$version$flavour" | sort -V | tail -n 1)
    [ "$newest" = "vmlinuz-$running" ] ||
        echo "kernel $running runs, ${newest#*-} is installed"
}
