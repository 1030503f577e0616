timeout 10 bash -s <<'KUBEON_CHECK'
answer=$(exec 2>/dev/null 3<>/dev/tcp/127.0.0.1/8842 && printf 'GET /stats;csv HTTP/1.0\r\n\r\n' >&3 && cat <&3)
if [ -z "$answer" ]; then
    echo "haproxy does not answer on 127.0.0.1:8842"
    exit 1
fi
printf '%s\n' "$answer" | tr -d '\r' | awk -F, -v wanted='10.0.0.1:6443 10.0.0.2:6443 10.0.0.3:6443' '
    $1 == "# pxname" { for (i = 1; i <= NF; i++) column[$i] = i }
    $1 == "apiservers" && $2 != "BACKEND" {
        served = served (served ? " " : "") $2
        known[$2]
        count++
        result = $column["check_status"]
        sub(/^\* /, "", result)
        if ($column["status"] ~ /^UP/ && result == "L7OK") up++
        said = said (said ? ", " : "") $2 " " $column["status"] (result ? " " result : "")
    }
    END {
        number = split(wanted, servers, " ")
        for (i = 1; i <= number; i++) if (!(servers[i] in known)) count = -1
        if (count != number) {
            print "haproxy serves " (served ? served : "nothing") ", not " wanted
            exit 1
        }
        if (!up) {
            print "haproxy reaches no API server: " said
            exit 1
        }
        print said
    }'
KUBEON_CHECK
