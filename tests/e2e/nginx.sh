# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# nginx.sh - nginx in h2c1, unmodified, and its client wrk, for tests of programs; sourced after lib.sh
#
# It serves a line and $work/www/large at port 80 and, where each worker listens for itself and takes connections
# with data, 81. For each request the names that it knew of both ends are a line of $work/access.log.

nginx_start()
{
	mkdir "$work/www"
	head -c 3000000 /dev/urandom >"$work/www/large"
	echo hello >"$work/www/index.html"
	cat >"$work/nginx.conf" <<-END
	worker_processes 3;
	pid $work/nginx.pid;
	error_log $work/nginx-error.log;
	events { worker_connections 1024; }
	http {
		log_format names '\$remote_addr \$remote_port \$server_addr \$server_port';
		access_log $work/access.log names;
		client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work;
		uwsgi_temp_path $work; scgi_temp_path $work;
		sendfile on;
		server { listen 80; listen [::]:80; root $work/www; }
		server { listen 81 reuseport deferred; root $work/www; }
	}
	END
	chmod 755 "$work" "$work/www"
	serve nginx shim h2c1 80 nginx -e "$work/nginx-error.log" -c "$work/nginx.conf" -g 'daemon off; user root;'
	poll 5 announced h1 h2c1 81
}

# nginx_knows_only_virtual: all requests came from h1c1 to h2c1, as their virtual addresses say
nginx_knows_only_virtual()
{
	[[ -s $work/access.log ]] && ! cut -d ' ' -f 1,3 "$work/access.log" | sort -u |
		grep -vFx -e "$(address h1c1) $(address h2c1)" -e "$(address -6 h1c1) $(address -6 h2c1)"
}

# wrk_ PORT ARGUMENT...: it has had answers, and nothing but those that it asked for
wrk_()
{
	in_ h1c1 wrk "${@:2}" "http://$(address h2c1):$1/" >"$work/wrk" && cat "$work/wrk" &&
		grep 'requests in' "$work/wrk" && ! grep -E 'Socket errors|Non-2xx' "$work/wrk"
}
