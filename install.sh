#!/bin/sh
# Installs Skiff as a service, with the variables of K3s' install.sh. docs/install.md tells more.
#
#   INSTALL_K3S_EXEC="server --disable=traefik" ./install.sh
#   K3S_URL=https://server:6443 K3S_TOKEN=... ./install.sh
#   ./install.sh agent --node-label=a=b
#
#   K3S_*, CONTAINERD_*, KINE_*, *_PROXY    kept for the service in a file that only root can read. K3S_URL makes it an agent
#   INSTALL_K3S_EXEC, arguments             the command of the service and its flags
#   INSTALL_K3S_SKIP_DOWNLOAD=true          the file is there already, as BIN_DIR/k3s or BIN_DIR/skiff
#   INSTALL_K3S_ARTIFACT_URL                where to get it: URL/VERSION/k3s[-arm64] and URL/VERSION/sha256sum-ARCH.txt
#   INSTALL_K3S_VERSION                     the version to get; else what INSTALL_K3S_CHANNEL_URL/INSTALL_K3S_CHANNEL leads to
#   INSTALL_K3S_BIN_DIR                     for the file, links and scripts (/usr/local/bin, or /opt/bin when that is read-only)
#   INSTALL_K3S_BIN_DIR_READ_ONLY=true      nothing is written there
#   INSTALL_K3S_SYSTEMD_DIR                 for the unit (/etc/systemd/system)
#   INSTALL_K3S_NAME, INSTALL_K3S_TYPE      the service is k3s-NAME; its Type (notify)
#   INSTALL_K3S_SYMLINK=skip|force          links kubectl, crictl, ctr: none, or also over others of the name
#   INSTALL_K3S_SKIP_ENABLE=true, INSTALL_K3S_SKIP_START=true, INSTALL_K3S_FORCE_RESTART=true
set -e
set -o noglob

info() { echo "[INFO]  $*"; }
warn() { echo "[WARN]  $*" >&2; }
fatal() {
  echo "[ERROR]  $*" >&2
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# The program that starts services: openrc, systemd, or none, as in a container or a chroot.
find_manager() {
  manager=none
  if [ -x /sbin/openrc-run ]; then manager=openrc
  elif has systemctl; then manager=systemd
  fi
}

# What systemd needs to be running for; units are files and can be written without.
manager_runs() {
  [ $manager = openrc ] || { [ $manager = systemd ] && [ -d /run/systemd/system ]; }
}

# Each argument in single quotes.
quoted() {
  for argument in "$@"; do
    printf "'%s' " "$(printf '%s' "$argument" | sed "s/'/'\\\\''/g")"
  done
}

# TEXT, split at spaces outside quotes, as arguments in single quotes. Nothing but quotes means anything in it.
split() {
  printf '%s\n' "$1" | awk -v single="'" '
    function end() { if (begun) printf "%s%s%s ", single, word, single; word = ""; begun = 0 }
    {
      for (i = 1; i <= length($0); i++) {
        letter = substr($0, i, 1)
        if (quote != "" ? letter == quote : letter == single || letter == "\"") { quote = quote == "" ? letter : ""; begun = 1 }
        else if (quote == "" && letter ~ /[ \t]/) end()
        else { word = word (letter == single ? single "\\" single single : letter); begun = 1 }
      }
      if (quote == "") end(); else word = word "\n"
    }
    END { if (quote != "") exit 1 }' || fatal "INSTALL_K3S_EXEC: a quote is not closed: $1"
}

choose_command() {
  case ${1:-} in
    '' | -*)
      if [ -z "${K3S_URL:-}" ]; then command=server
      elif [ -n "${K3S_TOKEN:-}${K3S_TOKEN_FILE:-}" ]; then command=agent
      else fatal "K3S_URL is set, so this would be an agent, but K3S_TOKEN or K3S_TOKEN_FILE is not"
      fi
      ;;
    *) command=$1 ;;
  esac
  case ${K3S_URL:-} in '' | https://*) ;; *) fatal "K3S_URL must begin with https:// (is $K3S_URL)" ;; esac
}

choose_names() {
  if [ -n "${INSTALL_K3S_NAME:-}" ]; then service=k3s-$INSTALL_K3S_NAME
  elif [ "$command" = server ]; then service=k3s
  else service=k3s-$command
  fi
  case $service in *[!A-Za-z0-9:.@^,~+-]*) fatal "invalid character in the name of the service: $service" ;; esac
}

choose_places() {
  sudo=
  if [ "$(id -u)" != 0 ]; then
    has sudo || fatal 'this needs root, and there is no sudo: run it as root'
    sudo=sudo
  fi
  bin=${INSTALL_K3S_BIN_DIR:-/usr/local/bin}
  if [ -z "${INSTALL_K3S_BIN_DIR:-}" ] && [ -d /opt/bin ] && ! $sudo sh -c "touch $bin/.k3s-test && rm $bin/.k3s-test" 2>/dev/null; then
    bin=/opt/bin
  fi
  units=${INSTALL_K3S_SYSTEMD_DIR:-/etc/systemd/system}
  if [ $manager = openrc ]; then
    unit=/etc/init.d/$service environment=/etc/rancher/k3s/$service.env
  else
    unit=$units/$service.service environment=$units/$service.service.env
  fi
  killall=$bin/k3s-killall.sh uninstall=$bin/$service-uninstall.sh
  [ "${INSTALL_K3S_BIN_DIR_READ_ONLY:-}" != true ] || INSTALL_K3S_SKIP_DOWNLOAD=true
  data=${K3S_DATA_DIR:-}
  for argument in "$@"; do
    case $argument in --data-dir=*) data=${argument#*=} ;; esac
    [ "${before:-}" != --data-dir ] && [ "${before:-}" != -d ] || data=$argument
    before=$argument
  done
  data=${data:-/var/lib/rancher/k3s}
}

ignored() {
  [ -z "${INSTALL_K3S_SKIP_SELINUX_RPM:-}${INSTALL_K3S_SELINUX_WARN:-}" ] || info 'SELinux variables are ignored: there is no policy for Skiff'
  [ -z "${INSTALL_K3S_COMMIT:-}${INSTALL_K3S_PR:-}" ] || fatal 'INSTALL_K3S_COMMIT and INSTALL_K3S_PR: there are no builds of single commits; use INSTALL_K3S_ARTIFACT_URL'
}

# get URL FILE
get() {
  if has curl; then curl -sSfL -o "$2" "$1"
  elif has wget; then wget -qO "$2" "$1"
  else fatal 'curl or wget is needed to download'
  fi || fatal "cannot download $1"
}

choose_version() {
  version=${INSTALL_K3S_VERSION:-}
  [ -z "$version" ] || return 0
  [ -n "${INSTALL_K3S_CHANNEL_URL:-}" ] || fatal 'which version? Set INSTALL_K3S_VERSION, or INSTALL_K3S_CHANNEL_URL'
  has curl || fatal 'curl is needed to follow a channel; set INSTALL_K3S_VERSION instead'
  channel=$INSTALL_K3S_CHANNEL_URL/${INSTALL_K3S_CHANNEL:-stable}
  version=$(curl -sSfL -o /dev/null -w '%{url_effective}' "$channel") || fatal "cannot follow the channel $channel"
  version=${version##*/}
}

download() {
  case $(uname -m) in
    x86_64 | amd64) arch=amd64 name=k3s ;;
    aarch64 | arm64) arch=arm64 name=k3s-arm64 ;;
    *) fatal "no release for $(uname -m): there are amd64 and arm64" ;;
  esac
  choose_version
  from=$INSTALL_K3S_ARTIFACT_URL/$version
  temporary=$(mktemp -d)
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 1' HUP INT TERM
  info "Downloading $version from $from"
  get "$from/sha256sum-$arch.txt" "$temporary/sums"
  wanted=$(sed -n "s/^\([0-9a-f]*\)  *$name\$/\1/p" "$temporary/sums")
  [ -n "$wanted" ] || fatal "$from/sha256sum-$arch.txt does not name $name"
  if [ "$(sum_of "$bin/k3s")" = "$wanted" ]; then
    info 'Nothing to download: the installed file is that one'
    return 0
  fi
  get "$from/$name" "$temporary/k3s"
  [ "$(sum_of "$temporary/k3s")" = "$wanted" ] || fatal "$from/$name is damaged: its checksum is not that of sha256sum-$arch.txt"
  place "$temporary/k3s"
}

sum_of() { sha256sum "$1" 2>/dev/null | cut -d' ' -f1; }

# place FILE: makes it BIN_DIR/k3s, whole or not at all.
place() {
  info "Installing $bin/k3s"
  if ! { $sudo mkdir -p "$bin" && $sudo cp "$1" "$bin/.k3s.new" && $sudo chmod 755 "$bin/.k3s.new" && $sudo mv -f "$bin/.k3s.new" "$bin/k3s"; }; then
    $sudo rm -f "$bin/.k3s.new"
    fatal "cannot write $bin/k3s: make room there, or set INSTALL_K3S_BIN_DIR"
  fi
}

install_file() {
  here=$(dirname "$0")
  if [ "${INSTALL_K3S_SKIP_DOWNLOAD:-}" = true ] || [ "${INSTALL_K3S_SKIP_DOWNLOAD:-}" = binary ]; then
    info 'Skipping the download'
    if [ ! -x "$bin/k3s" ] && [ -x "$bin/skiff" ]; then $sudo ln -sf skiff "$bin/k3s"; fi
    [ -x "$bin/k3s" ] || fatal "the file is not there: put it at $bin/k3s and make it executable"
  elif [ -n "${INSTALL_K3S_ARTIFACT_URL:-}" ]; then download
  elif [ -f "$here/dist/skiff" ]; then
    built=$(head -n 3 "$here/dist/skiff" | sed -n 's/^# version=\([^ ]*\).*/\1/p')
    [ "${INSTALL_K3S_VERSION:-$built}" = "$built" ] ||
      fatal "$here/dist/skiff is $built, not $INSTALL_K3S_VERSION: VERSION=$INSTALL_K3S_VERSION make release, or set INSTALL_K3S_ARTIFACT_URL"
    place "$here/dist/skiff"
  else
    fatal "there is no download server for Skiff yet: set INSTALL_K3S_ARTIFACT_URL, or put the file at $bin/k3s and set INSTALL_K3S_SKIP_DOWNLOAD=true"
  fi
}

# Other than K3s' file, ours has no containerd and no network programs in it: they are the distribution's.
install_packages() {
  wanted=
  for pair in containerd:containerd runc:runc nft:nftables ip:iproute2 iptables:iptables conntrack:conntrack \
    catatonit:catatonit haproxy:haproxy openssl:openssl; do
    PATH=$PATH:/usr/sbin:/sbin has "${pair%:*}" || wanted="$wanted ${pair#*:}"
  done
  [ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || wanted="$wanted containernetworking-plugins"
  [ -n "$wanted" ] || return 0
  if has apt-get && [ "${INSTALL_K3S_SKIP_DOWNLOAD:-}" != true ]; then
    info "Installing packages:$wanted"
    # Services of theirs are not needed.
    # shellcheck disable=SC2086
    $sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null ||
      warn "these packages could not be installed:$wanted"
  else
    warn "programs are missing; install these packages:$wanted"
  fi
}

create_links() {
  [ "${INSTALL_K3S_BIN_DIR_READ_ONLY:-}" != true ] || return 0
  [ -e "$bin/skiff" ] || $sudo ln -s k3s "$bin/skiff"
  [ "${INSTALL_K3S_SYMLINK:-}" != skip ] || return 0
  for name in kubectl crictl ctr; do
    if [ "${INSTALL_K3S_SYMLINK:-}" = force ] || { [ ! -e "$bin/$name" ] && [ ! -L "$bin/$name" ] && ! has $name; }; then
      info "Creating $bin/$name, a link to k3s"
      $sudo ln -sf k3s "$bin/$name"
    else
      info "Skipping $bin/$name: there is a $name already"
    fi
  done
}

# write FILE MODE: standard input becomes FILE.
write() {
  $sudo mkdir -p "$(dirname "$1")"
  $sudo sh -c 'umask 077; cat >"$1.new" && chmod "$2" "$1.new" && mv -f "$1.new" "$1"' sh "$1" "$2"
}

create_killall() {
  info "Creating $killall"
  { printf '#!/bin/sh\n# Ends everything that runs because of Skiff: service, containers, mounts, network. Data stays.\n'
    printf 'bin=%s\nunits=%s\ndefault=%s\n' "$(quoted "$bin")" "$(quoted "$units")" "$(quoted "$data")"
    cat <<'TEXT'
[ "$(id -u)" = 0 ] || exec sudo --preserve-env=K3S_DATA_DIR "$0" "$@"
configured=$(sed -n 's/^data-dir: *//p' /etc/rancher/k3s/config.yaml 2>/dev/null | tr -d "\"'" | tail -n 1)
data=${K3S_DATA_DIR:-${configured:-$default}}
PATH=$PATH:/usr/sbin:/sbin

for unit in "$units"/k3s*.service; do
  [ -s "$unit" ] && [ -d /run/systemd/system ] && systemctl stop "$(basename "$unit")"
done
for unit in /etc/init.d/k3s*; do
  [ -x "$unit" ] && "$unit" stop
done

# "PID PARENT COMMAND..." of every process that sees the mounts that we see; not those of test beds and containers.
ours=$(readlink /proc/self/ns/mnt)
processes() {
  ps -e -o pid= -o ppid= -o args= | while read -r pid parent command; do
    [ "$(readlink "/proc/$pid/ns/mnt" 2>/dev/null)" = "$ours" ] && echo "$pid $parent $command"
  done
}

# with PATTERN: ids of those whose command matches.
with() { processes | awk -v pattern="$1" '{ pid = $1; $1 = ""; $2 = ""; if ($0 ~ pattern) print pid }'; }

# Servers and agents that no manager started, then their containerd: they may end as they wish.
for pattern in "^ *($bin/|.*/)?(k3s|skiff) (server|agent)" "^ *[^ ]*containerd .*$data/agent/etc/containerd/"; do
  pids=$(with "$pattern")
  [ -n "$pids" ] || continue
  kill $pids 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    kill -0 $pids 2>/dev/null || break
    sleep 1
  done
  kill -9 $pids 2>/dev/null
done

# descendants PID...: they and what they started.
descendants() {
  for pid in "$@"; do
    echo "$pid"
    descendants $(ps -e -o pid= -o ppid= | awk -v parent="$pid" '$2 == parent { print $1 }')
  done
}
shims=$(with 'containerd-shim.* -address /run/k3s/containerd/containerd.sock')
[ -z "$shims" ] || kill -9 $(descendants $shims) 2>/dev/null

# Deepest first. What is not mounted any more is removed; what cannot be unmounted stays untouched.
mounts() { awk -v start="$1" 'index($2, start) == 1 { print $2 }' /proc/self/mounts | sort -r; }
for start in /run/k3s/ "$data/agent/" /var/lib/kubelet/pods/ /var/lib/kubelet/plugins/ /var/lib/kubelet/memory /run/netns/cni-; do
  mounts "$start" | while read -r path; do
    umount "$path" 2>/dev/null || umount -l "$path"
  done
  [ "$start" != /run/netns/cni- ] || rm -f /run/netns/cni-*
done
[ -n "$(mounts /var/lib/kubelet/pods/)" ] || rm -rf /var/lib/kubelet/pods
rmdir /var/lib/kubelet/memory 2>/dev/null
[ -n "$(mounts /run/k3s/)" ] || rm -rf /run/k3s/containerd

# Cgroups without processes.
find /sys/fs/cgroup -depth -type d -path '*kubepods*' -exec rmdir {} + 2>/dev/null

ip -o link show master cni0 2>/dev/null | awk -F': ' '{ sub("@.*", "", $2); print $2 }' | while read -r link; do ip link delete "$link"; done
for link in cni0 flannel.1 flannel-v6.1 flannel-wg flannel-wg-v6 kube-ipvs0; do
  [ ! -e "/sys/class/net/$link" ] || ip link delete "$link"
done
rm -rf /var/lib/cni
if command -v nft >/dev/null; then
  nft list tables 2>/dev/null | awk '$3 ~ /^(skiff|flannel)/ { print $2, $3 }' | while read -r family table; do nft delete table "$family" "$table"; done
fi
for tables in iptables ip6tables; do
  command -v $tables-save >/dev/null || continue
  rules=$($tables-save 2>/dev/null)
  echo "$rules" | grep -qi -e KUBE- -e CNI- -e flannel || continue
  echo "$rules" | grep -v -e KUBE- -e CNI- | grep -vi flannel | $tables-restore
done
exit 0
TEXT
  } | write "$killall" 755
  $sudo ln -sf k3s-killall.sh "$bin/skiff-killall.sh"
}

create_uninstall() {
  info "Creating $uninstall"
  { printf '#!/bin/sh\n# Removes the service %s and, when it is the last of them, everything of Skiff on this machine.\n' "$service"
    printf 'bin=%s\nunits=%s\nservice=%s\nunit=%s\nenvironment=%s\n' "$(quoted "$bin")" "$(quoted "$units")" "$service" "$(quoted "$unit")" "$(quoted "$environment")"
    printf 'uninstall=%s\ndefault=%s\n' "$(quoted "$uninstall")" "$(quoted "$data")"
    cat <<'TEXT'
[ "$(id -u)" = 0 ] || exec sudo --preserve-env=K3S_DATA_DIR "$0" "$@"
configured=$(sed -n 's/^data-dir: *//p' /etc/rancher/k3s/config.yaml 2>/dev/null | tr -d "\"'" | tail -n 1)
data=${K3S_DATA_DIR:-${configured:-$default}}

"$bin/k3s-killall.sh"

if command -v systemctl >/dev/null; then
  systemctl disable "$service" 2>/dev/null
  systemctl reset-failed "$service" 2>/dev/null
fi
! command -v rc-update >/dev/null || rc-update delete "$service" default
rm -f "$unit" "$environment" "/etc/logrotate.d/$service"
[ ! -d /run/systemd/system ] || systemctl daemon-reload
rm -f "$uninstall" "$bin/skiff${service#k3s}-uninstall.sh"

for other in "$units"/k3s*.service /etc/init.d/k3s*; do
  [ ! -e "$other" ] || { echo "Another service of k3s is installed ($other): the rest stays."; exit 0; }
done

# Removes a folder but for what is mounted in it: that is somebody's data.
remove() {
  mounted=$(awk -v start="$1" '$2 == start || index($2, start "/") == 1 { print $2 }' /proc/self/mounts)
  if [ -z "$mounted" ]; then rm -rf "$1"; return; fi
  echo "Something is mounted in $1, it stays: $(echo $mounted)"
  for path in "$1"/* "$1"/.[!.]*; do
    if [ -d "$path" ] && [ ! -L "$path" ]; then
      grep -q " $path " /proc/self/mounts || remove "$path"
    else
      rm -f "$path"
    fi
  done
}
remove /etc/rancher/k3s
remove /run/k3s
remove /run/flannel
remove "$data"
remove /var/lib/kubelet
rmdir /var/lib/rancher /etc/rancher 2>/dev/null

for name in kubectl crictl ctr skiff k3s; do
  case $name:$(readlink "$bin/$name") in
    k3s:* | skiff:*) rm -f "$bin/$name" ;;
    *:k3s) rm -f "$bin/$name" ;;
  esac
done
rm -f "$bin/k3s-killall.sh" "$bin/skiff-killall.sh"
exit 0
TEXT
  } | write "$uninstall" 755
  $sudo ln -sf "$service-uninstall.sh" "$bin/skiff${service#k3s}-uninstall.sh"
}

create_environment() {
  info "Creating the environment file $environment"
  export -p | sed 's/^export //; s/^declare -x //' |
    grep -E '^((K3S|CONTAINERD|KINE)_[A-Z0-9_]*|([Nn][Oo]|[Hh][Tt][Tt][Pp][Ss]?|[Aa][Ll][Ll])_[Pp][Rr][Oo][Xx][Yy])=' |
    write "$environment" 600
}

# Arguments as lines of a unit: in quotes, with systemd's own signs doubled.
unit_arguments() {
  for argument in "$@"; do
    printf " \\\\\n\t'%s'" "$(printf '%s' "$argument" | sed "s/[\\\\']/\\\\&/g; s/%/%%/g; s/\\$/\$\$/g")"
  done
}

create_unit() {
  info "Creating the service $unit"
  if [ $manager = openrc ]; then create_init_script "$@"; return; fi
  write "$unit" 644 <<TEXT
[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type=${INSTALL_K3S_TYPE:-notify}
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-$environment
KillMode=process
Delegate=yes
User=root
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=$bin/k3s \\
	$command$(unit_arguments "$@")

TEXT
}

create_init_script() {
  write "$unit" 755 <<TEXT
#!/sbin/openrc-run
name=$service
supervisor=supervise-daemon
command=$bin/k3s
command_args="$command $(quoted "$@" | sed 's/[\\"$`]/\\&/g')"
output_log=/var/log/$service.log
error_log=/var/log/$service.log
pidfile=/run/$service.pid
respawn_delay=5
respawn_max=0

depend() {
  after network-online
  want cgroups
}

set -o allexport
[ ! -f /etc/environment ] || . /etc/environment
[ ! -f $environment ] || . $environment
set +o allexport
TEXT
  write "/etc/logrotate.d/$service" 644 <<TEXT
/var/log/$service.log {
  missingok
  notifempty
  copytruncate
}
TEXT
}

state() { $sudo sha256sum "$bin/k3s" "$unit" "$environment" 2>&1 || true; }

# Whether the service runs, and from the file as it is now: it may have been replaced before this script was called.
runs_file() {
  hash=$(head -n 8 "$bin/k3s" | tr -d '\0' | sed -n 's/^hash=//p')
  [ -n "$hash" ] || return 0
  # Processes of test beds and containers see other mounts.
  # shellcheck disable=SC2016
  $sudo sh -c 'ours=$(readlink /proc/self/ns/mnt)
    for folder in /proc/[0-9]*; do
      case $(readlink "$folder/exe") in */data/"$1"/bin/node) ;; *) continue ;; esac
      [ "$(readlink "$folder/ns/mnt")" = "$ours" ] || continue
      case $(tr "\0" " " <"$folder/cmdline") in "$2 $3"*) exit 0 ;; esac
    done 2>/dev/null
    exit 1' sh "$hash" "$bin/k3s" "$command"
}

enable_and_start() {
  [ "${INSTALL_K3S_SKIP_ENABLE:-}" != true ] || return 0
  info "Enabling $service"
  case $manager in
    systemd) $sudo systemctl enable "$unit" >/dev/null 2>&1 || warn "systemd does not enable $unit" ;;
    openrc) $sudo rc-update add "$service" default >/dev/null ;;
  esac
  [ "${INSTALL_K3S_SKIP_START:-}" != true ] || return 0
  if ! manager_runs; then
    info "Neither systemd nor openrc runs here: start $bin/k3s $command by other means; $unit says how"
    return 0
  fi
  [ $manager != systemd ] || $sudo systemctl daemon-reload
  if [ "$before_install" = "$(state)" ] && [ "${INSTALL_K3S_FORCE_RESTART:-}" != true ] && runs_file; then
    info 'Nothing has changed: the service is not restarted'
    return 0
  fi
  info "Starting $service"
  if [ $manager = systemd ]; then $sudo systemctl restart "$service"; else $sudo "$unit" restart; fi
}

main() {
  find_manager
  choose_command "$@"
  case ${1:-} in '' | -*) ;; *) shift ;; esac
  choose_names
  choose_places "$@"
  ignored
  before_install=$(state)
  install_file
  install_packages
  create_links
  if [ "${INSTALL_K3S_BIN_DIR_READ_ONLY:-}" != true ]; then
    create_killall
    create_uninstall
  fi
  create_environment
  create_unit "$@"
  enable_and_start
}

words=$(split "${INSTALL_K3S_EXEC:-}")
eval "set -- $words $(quoted "$@")"
main "$@"
