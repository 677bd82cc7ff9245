# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A STAND-IN for hasura-auth: health, a sign-in that lets nobody in, and the real one's habit of trusting every origin."""

import json

CORS = ("GET, POST, PUT, DELETE, OPTIONS", "Authorization, Content-Type, Origin, Accept")


def answer(request):
    headers = []
    origin = request.headers.get("Origin")
    if origin:
        headers = [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true")]
        headers += [
            ("Access-Control-Allow-Methods", CORS[0]),
            ("Access-Control-Allow-Headers", CORS[1]),
            ("Vary", "Origin"),
        ]
    if request.method == "OPTIONS":
        return 204, "text/plain", "", headers
    if request.path in ("/healthz", "/health"):
        return 200, "application/json", json.dumps("OK"), headers
    if request.path.startswith(("/signin/", "/signup/")) and request.method == "POST":
        return 401, "application/json", json.dumps({"status": 401, "error": "invalid-email-password"}), headers
    return 404, "application/json", json.dumps({"message": "no matching operation was found"}), headers
