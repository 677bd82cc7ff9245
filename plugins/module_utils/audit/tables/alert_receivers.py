# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each kind of alertmanager's receivers needs in order to reach somebody."""

from __future__ import annotations

# kind: parts that are all needed, each by one of these keys; @key is one of the section `global`.
KINDS = {
    "webhook_configs": (("url", "url_file"),),
    "email_configs": (("to",), ("smarthost", "@smtp_smarthost")),
    "slack_configs": (
        ("api_url", "api_url_file", "@slack_api_url", "@slack_api_url_file", "app_token", "app_token_file"),
    ),
    "discord_configs": (("webhook_url", "webhook_url_file"),),
    "msteams_configs": (("webhook_url", "webhook_url_file"),),
    "msteamsv2_configs": (("webhook_url", "webhook_url_file"),),
    "mattermost_configs": (("webhook_url", "webhook_url_file", "@mattermost_webhook_url"),),
    "incidentio_configs": (("url", "url_file"),),
    "pagerduty_configs": (("routing_key", "routing_key_file", "service_key", "service_key_file"),),
    "opsgenie_configs": (("api_key", "api_key_file", "@opsgenie_api_key", "@opsgenie_api_key_file"),),
    "victorops_configs": (
        ("api_key", "api_key_file", "@victorops_api_key", "@victorops_api_key_file"),
        ("routing_key",),
    ),
    "pushover_configs": (("user_key", "user_key_file"), ("token", "token_file")),
    "telegram_configs": (("bot_token", "bot_token_file", "@telegram_bot_token"), ("chat_id", "chat_id_file")),
    "wechat_configs": (
        ("api_secret", "api_secret_file", "@wechat_api_secret", "@wechat_api_secret_file"),
        ("corp_id", "@wechat_api_corp_id"),
    ),
    "webex_configs": (("room_id",), ("http_config",)),
    "sns_configs": (("topic_arn", "phone_number", "target_arn"),),
    "rocketchat_configs": (("token", "token_file", "@rocketchat_token", "@rocketchat_token_file"),),
    "jira_configs": (("project",), ("api_url", "@jira_api_url")),
}
# Names where nobody reads: reserved for documentation, or the container itself.
NOWHERE = ("localhost", "example.com", "example.org", "example.net", "example", "invalid", "ip6-localhost")
MAIL_CATCHERS = ("mailpit", "mailhog", "maildev", "mailcatcher")
# Log drivers: those that rotate by themselves, those that do with max-size, and the one that keeps nothing.
ROTATING, ROTATING_BY_SIZE, KEEPS_NOTHING = ("local", "journald"), ("json-file",), ("none",)
