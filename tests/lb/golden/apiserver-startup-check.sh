known=$(grep -v '^#' /etc/kubernetes/apiserver-startup/hosts 2>/dev/null | tr '\n' ' ')
if [ "$known" != '10.0.0.1:6443 10.0.0.2:6443 10.0.0.3:6443 ' ]; then
    echo "apiserver-startup knows $(echo ${known:-nothing}), not 10.0.0.1:6443 10.0.0.2:6443 10.0.0.3:6443"
    exit 1
fi
/usr/local/lib/kubeon/apiserver-startup check || exit $?
echo "10.96.0.2:6443 UP"
