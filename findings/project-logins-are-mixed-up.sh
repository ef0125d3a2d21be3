#!/usr/bin/env bash
# Software: oras v1.3.6, crane v0.22.1, cosign v3.1.3 and, where it is installed, skopeo, with one file of logins; a
#           registry on loopback that knows an account for each project.
# Expected: logins for single projects of a registry ("podman login HOST/PROJECT" writes such keys,
#           containers-auth.json(5) describes them) are used for their projects, as skopeo and podman do; or a tool
#           that knows hosts only does not use them, and says that there is no login.
# Happens:  oras, crane and cosign take the login of some project of that host, another one from run to run: they cut
#           each key down to its host and take the first that matches, in the order of a Go map. With three projects
#           most runs name the wrong account, and a few, by luck, the right one.
# Matters:  Harbor has a robot account for each project. The CI job that signs or copies fails with 401 and passes
#           when it is run again, and the registry's log blames robots of other teams. One file (DOCKER_CONFIG) for
#           each project, with the plain host as its key, is what all of them understand.
set -euo pipefail
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"
for tool in oras.land/oras/cmd/oras@v1.3.6 github.com/google/go-containerregistry/cmd/crane@v0.22.1 \
	github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3; do
	GOBIN="$work" go install "$tool" 2>log || { cat log; exit 2; }
done

# The registry says who asked. It has nothing: 404 to every account.
cat >registry.go <<'EOF'
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Println(user)
		w.WriteHeader(http.StatusNotFound)
	}))
}
EOF
go build -o registry registry.go
reg=127.0.0.1:$((20000 + RANDOM % 20000))
./registry "$reg" >>accounts &
pid=$!
curl -s --retry 50 --retry-delay 1 --retry-connrefused "http://$reg/v2/" >/dev/null || { echo 'no registry'; exit 2; }

key() { printf '"%s/%s":{"auth":"%s"}' "$reg" "$1" "$(printf '%s:secret' "$1" | base64)"; }
echo "{\"auths\":{$(key robot-a),$(key robot-b),$(key robot-c)}}" >config.json
export HOME="$work" DOCKER_CONFIG="$work" REGISTRY_AUTH_FILE="$work/config.json"
mkdir .docker && cp config.json .docker/

count() { # tool, its command: 40 runs for a module of robot-b
	local tool=$1
	shift
	: >accounts
	for _ in $(seq 40); do "$@" >log 2>&1 || true; done
	sort -u accounts >"$tool.accounts"
	echo "$tool: asked as $(sort accounts | uniq -c | awk '{ print $2 " " $1 }' | paste -sd,)"
}
module=$reg/robot-b/example.com/m:v1.0.0
count oras ./oras manifest fetch --plain-http "$module"
count crane ./crane manifest --insecure "$module"
count cosign ./cosign tree "$module"
if command -v skopeo >/dev/null; then
	count skopeo skopeo inspect --tls-verify=false "docker://$module"
	[ "$(cat skopeo.accounts)" = robot-b ] || { echo 'CHANGED: skopeo asks as somebody else'; exit 1; }
fi
for tool in oras crane cosign; do
	[ "$(wc -l <$tool.accounts)" -gt 1 ] || { echo "CHANGED: $tool asks as $(cat $tool.accounts)"; exit 1; }
done
echo "as stated: of the logins for three projects each run takes some other one"
