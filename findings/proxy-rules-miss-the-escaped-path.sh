#!/usr/bin/env bash
# Software: go 1.26.8 and 1.27.3; haproxy 2.6.12 and nginx 1.22.1 of Debian, each in front of one GOPROXY on loopback; curl.
# Expected: the path of a module with capitals in a request is the one that the reference states and "go help goproxy" points
#           to, /github.com/!burnt!sushi/…: "!" is allowed in a path as it is. A rule for it in a proxy that was tested with
#           curl holds.
# Happens:  the go command sends %21 for each "!" ("go mod download -x" shows it, the reference does not). haproxy compares what
#           was sent: the rule "http-request deny if { path_beg /example.com/!corp/ }" stops curl and lets the go command pass,
#           and "normalize-uri percent-decode-unreserved" changes nothing, since "!" is reserved. nginx decodes first, and stops
#           both.
# Matters:  allow and deny rules, routes and cache keys by module path: they work for all modules but those with capitals, and
#           for those too when somebody tries them by hand. With haproxy match "url_dec" of the path; else leave it to the proxy
#           for modules.
set -euo pipefail
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || true; rm -rf "$work"' EXIT
export GOFLAGS="-modcacherw -buildvcs=false"
chmod 755 "$work"
cd "$work"
for package in haproxy nginx; do
	apt-get download "$package" >log 2>&1 || { cat log; exit 2; }
done
for file in *.deb; do dpkg -x "$file" debian; done
mkdir -p tool "proxy/example.com/!corp/lib/@v" temp
printf 'module example.com/Corp/lib\n' >"proxy/example.com/!corp/lib/@v/v1.0.0.mod"
printf '{"Version":"v1.0.0"}' >"proxy/example.com/!corp/lib/@v/v1.0.0.info"
cat >tool/main.go <<'EOF'
package main

import (
	"net/http"
	"os"
)

func main() { panic(http.ListenAndServe(os.Args[1], http.FileServer(http.Dir(os.Args[2])))) }
EOF
go build -o serve tool/main.go
port=$((20000 + RANDOM % 20000))
./serve "127.0.0.1:$port" proxy &
pids="$pids $!"
cat >haproxy.cfg <<EOF
global
	expose-experimental-directives
defaults
	mode http
	timeout connect 5s
	timeout client 5s
	timeout server 5s
frontend plain
	bind 127.0.0.1:$((port + 1))
	http-request deny if { path_beg /example.com/!corp/ }
	default_backend proxy
frontend normalized
	bind 127.0.0.1:$((port + 2))
	http-request normalize-uri percent-decode-unreserved
	http-request deny if { path_beg /example.com/!corp/ }
	default_backend proxy
frontend decoded
	bind 127.0.0.1:$((port + 3))
	http-request deny if { path,url_dec -m beg /example.com/!corp/ }
	default_backend proxy
backend proxy
	server proxy 127.0.0.1:$port
EOF
cat >nginx.conf <<EOF
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events {}
http {
	access_log off;
	client_body_temp_path temp/1;
	proxy_temp_path temp/2;
	fastcgi_temp_path temp/3;
	uwsgi_temp_path temp/4;
	scgi_temp_path temp/5;
	server {
		listen 127.0.0.1:$((port + 4));
		location / { proxy_pass http://127.0.0.1:$port; }
		location /example.com/!corp/ { return 403; }
	}
}
EOF
debian/usr/sbin/haproxy -f haproxy.cfg >haproxy.log 2>&1 &
pids="$pids $!"
debian/usr/sbin/nginx -p "$work" -c nginx.conf >nginx.out 2>&1 &
pids="$pids $!"
for i in 1 4; do
	curl -s --retry 50 --retry-delay 1 --retry-connrefused "http://127.0.0.1:$((port + i))/" >/dev/null || { cat haproxy.log nginx.out; exit 2; }
done

{
	n=0
	for rule in "haproxy path_beg" "haproxy path_beg after normalize-uri" "haproxy url_dec" "nginx location"; do
		n=$((n + 1))
		url=http://127.0.0.1:$((port + n))
		echo "$rule, curl: $(curl -s -o /dev/null -w '%{http_code}' "$url/example.com/!corp/lib/@v/v1.0.0.info")"
		for toolchain in go1.26.8 go1.27.3; do
			go="$(GOTOOLCHAIN=$toolchain go env GOROOT)/bin/go"
			if GOTOOLCHAIN=local GOPROXY=$url GOSUMDB=off GOMODCACHE="$work/cache$n$toolchain" "$go" list -m example.com/Corp/lib@v1.0.0 >log 2>&1; then
				echo "$rule, $toolchain: passes"
			else
				echo "$rule, $toolchain: $(grep -o -m1 '403 Forbidden' log)"
			fi
		done
	done
} | tee out
for want in "haproxy path_beg, curl: 403" "haproxy path_beg after normalize-uri, curl: 403" "haproxy url_dec, curl: 403" "nginx location, curl: 403"; do
	grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
done
for toolchain in go1.26.8 go1.27.3; do
	for want in "haproxy path_beg, $toolchain: passes" "haproxy path_beg after normalize-uri, $toolchain: passes" \
		"haproxy url_dec, $toolchain: 403 Forbidden" "nginx location, $toolchain: 403 Forbidden"; do
		grep -qxF "$want" out || { echo "CHANGED: not \"$want\""; exit 1; }
	done
done
echo "as stated: the go command passes by a rule that stops curl"
