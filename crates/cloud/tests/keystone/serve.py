"""Keystone in one process, for tests: serve.py DIRECTORY [EXPIRATION]. Prints its port when it listens."""

import os
import socketserver
import sys
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


server = make_server("127.0.0.1", 0, wsgi.initialize_public_application(), Threaded, Silent)
print(server.server_port, flush=True)
server.serve_forever()
