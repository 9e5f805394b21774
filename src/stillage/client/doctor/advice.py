"""What to do about each problem on the path: the directives of nginx and HAProxy that cause it.

Source: nginx, "ngx_http_core_module", "ngx_http_proxy_module", "ngx_http_gzip_module"; HAProxy, "Configuration Manual".
"""

from stillage.client.doctor.findings import Advice

ADDRESS = Advice("nothing can be sent", "check the address, the firewall, and that the server runs")
TLS = Advice(
    "clients refuse the connection",
    "let the port speak TLS 1.2 or later, or use http:// if it is a plain port",
    ("listen 443 ssl;", "ssl_protocols TLSv1.2 TLSv1.3;"),
    ("bind :443 ssl crt FILE",),
)
NAME = Advice(
    "clients refuse a certificate for another name",
    "use a name that the certificate has, or get one for this name",
    ("ssl_certificate FILE;",),
    ("bind :443 ssl crt FILE",),
)
CHAIN = Advice(
    "clients refuse a certificate that leads to no authority they know",
    "send the intermediate certificates after the server's own; for an authority of your own, set 'cacert' to its file",
    ("ssl_certificate FILE;  # the whole chain",),
    ("bind :443 ssl crt FILE  # certificate, intermediates and key",),
)
EXPIRY = Advice(
    "clients refuse an expired certificate, also in the middle of a long upload of many requests",
    "renew the certificate and let the proxy read it again",
    ("ssl_certificate FILE;",),
    ("bind :443 ssl crt FILE",),
)
CLOCK = Advice(
    "signed requests are refused, and tokens seem to end too early or too late",
    "set the clocks of both machines by NTP",
)
SERVICE = Advice(
    "what answers is not an image service, or the proxy has no server to ask",
    "check the URL, and the servers behind the proxy",
    ("proxy_pass http://SERVER:9292;",),
    ("server node1 SERVER:9292 check",),
)
LOGIN = Advice("nothing can be uploaded without a login", "do what the message says")
BODY_LIMIT = Advice(
    "larger images are refused by the proxy, and the server never sees them",
    "remove the limit; the server has limits of its own",
    ("client_max_body_size 0;",),
    ("http-request deny if { req.body_size gt N }  # remove this rule",),
)
BUFFERING = Advice(
    "the proxy stores each upload before the server sees a byte: its disk fills, an upload takes twice as long, "
    "and a hostile image is refused only after its last byte",
    "let the proxy pass requests on while they arrive",
    ("proxy_request_buffering off;", "proxy_http_version 1.1;"),
    ("no option http-buffer-request",),
)
EARLY = Advice(
    "a client that is refused sees a broken connection in place of the reason, and tries again",
    "let the proxy pass an answer on while the request is sent, and linger before it closes",
    ("lingering_close on;", "proxy_request_buffering off;"),
    ("option http-no-delay", "no option abortonclose"),
)
CONTINUE = Advice(
    "curl waits a second, and other clients wait for ever, before they send a body",
    "let the proxy answer 'Expect: 100-continue' or pass it on",
    ("proxy_http_version 1.1;",),
    ("http-request del-header Expect  # remove this rule",),
)
UPLOAD_IDLE = Advice(
    "a client that pauses, because its disk or network is slow, loses the upload without the server's reason",
    "wait longer than the server's idle_timeout_s, which is 60 seconds by default",
    ("client_body_timeout 75s;", "proxy_send_timeout 75s;"),
    ("timeout client 75s",),
)
ANSWER_IDLE = Advice(
    "the answer to a large upload comes only after its last byte is verified, and the proxy gives up before that",
    "wait for the verdict on the largest image",
    ("proxy_read_timeout 1h;",),
    ("timeout server 1h",),
)
CHUNKED = Advice(
    "clients that do not know the size before, such as glanceclient and Terraform, cannot upload",
    "let the proxy take chunked requests",
    ("proxy_request_buffering off;", "proxy_http_version 1.1;", "client_max_body_size 0;"),
    ("no option http-buffer-request",),
)
UPLOAD = Advice("images cannot be uploaded", "do what the message says")
RANGE = Advice(
    "an interrupted download starts again from the first byte, and parallel downloads are not possible",
    "let the proxy pass Range and its answer on",
    ("proxy_set_header Range $http_range;", "max_ranges 1024;  # remove 'max_ranges 0'", "proxy_cache off;"),
    ("http-request del-header Range  # remove this rule",),
)
ETAG = Advice(
    "a download that is resumed cannot tell whether the image is still the same",
    "let the proxy pass ETag on as it is",
    ("proxy_hide_header ETag;  # remove this directive", "gzip off;"),
    ("http-response del-header ETag  # remove this rule",),
)
COMPRESSION = Advice(
    "the proxy compresses image data: it costs its CPU, and the client sees neither a length nor ranges",
    "do not compress image data",
    ("gzip off;",),
    ("filter compression  # remove this filter", "compression algo gzip  # remove this rule"),
)
EARLY_REFUSAL = Advice(
    "a hostile image is read to its end before it is refused",
    "let the proxy pass requests on while they arrive",
    BUFFERING.nginx,
    BUFFERING.haproxy,
)
