#!/usr/bin/python3
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says again what it is told: over TCP on port 80 and UDP on 9999, IPv4 and IPv6."""

import socket
import socketserver
import threading


class Tcp(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            data = self.request.recv(1024)
            if not data:
                return
            self.request.sendall(data)


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data, self.client_address)


class TcpServer(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


class UdpServer(socketserver.UDPServer):
    address_family = socket.AF_INET6


threading.Thread(target=UdpServer(("::", 9999), Udp).serve_forever, daemon=True).start()
TcpServer(("::", 80), Tcp).serve_forever()
