"""Keystone in one process, for tests: serve.py DIRECTORY. Prints its port when it listens, and a second one with TLS if there is DIRECTORY/tls.pem."""

import os
import socketserver
import ssl
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

directory = sys.argv[1]
configuration = os.path.join(directory, "keystone.conf")
os.environ["OS_KEYSTONE_CONFIG_FILES"] = configuration
sys.argv = ["keystone", "--config-file", configuration]

from keystone.server import wsgi  # noqa: E402  (it reads the arguments when it is imported)


class Threaded(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


application = wsgi.initialize_public_application()
server = make_server("127.0.0.1", 0, application, Threaded, Silent)
ports = [server.server_port]
certificate = os.path.join(directory, "tls.pem")
if os.path.exists(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    encrypted = make_server("127.0.0.1", 0, application, Threaded, Silent)
    encrypted.socket = context.wrap_socket(encrypted.socket, server_side=True)
    ports.append(encrypted.server_port)
    threading.Thread(target=encrypted.serve_forever, daemon=True).start()
print(*ports, flush=True)
server.serve_forever()
