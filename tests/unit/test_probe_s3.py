# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of S3 requests, against the figures that AWS publishes, and what S3 servers answer."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse import s3_answers
from ansible_collections.nself.prod.plugins.module_utils.probe import s3
from hypothesis import given
from hypothesis import strategies as st

# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "Examples: signature calculations"
EXAMPLE = s3.Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HEADERS = {
    "host": "examplebucket.s3.amazonaws.com",
    "x-amz-content-sha256": s3.EMPTY,
    "x-amz-date": "20130524T000000Z",
}


@pytest.mark.parametrize(
    "path, query, more, signature",
    [
        ("/test.txt", {}, {"range": "bytes=0-9"}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("/", {"lifecycle": ""}, {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/", {"max-keys": "2", "prefix": "J"}, {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_signatures_are_those_that_aws_publishes(path, query, more, signature):
    header = s3.authorization(EXAMPLE, "GET", path, query, dict(HEADERS, **more))
    assert header.startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,")
    assert header.endswith(",Signature=" + signature)


def test_paths_and_queries_are_encoded_as_they_are_signed():
    assert s3.encoded_path("/a b/ü+&.txt") == "/a%20b/%C3%BC%2B%26.txt"
    assert s3.encoded_query({"list-type": "2", "a": "b/c"}) == "a=b%2Fc&list-type=2"
    assert s3.stamp(1369353600.0) == "20130524T000000Z"


def xml(root, inner=""):
    return (
        '<?xml version="1.0" encoding="UTF-8"?><%s xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</%s>'
        % (root, inner, root)
    ).encode()


def test_answers_are_read():
    buckets = "<Buckets><Bucket><Name>b</Name></Bucket><Bucket><Name>a</Name></Bucket></Buckets>"
    assert s3_answers.bucket_names(xml("ListAllMyBucketsResult", buckets)) == ["a", "b"]
    assert s3_answers.first_key(xml("ListBucketResult", "<Contents><Key>x/y</Key></Contents>")) == "x/y"
    assert s3_answers.first_key(xml("ListBucketResult", "<Name>b</Name>")) is None
    rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
    assert s3_answers.encryption_of(xml("ServerSideEncryptionConfiguration", rule)) == "AES256"
    assert s3_answers.encryption_of(xml("ServerSideEncryptionConfiguration")) is None
    assert s3_answers.error_code(xml("Error", "<Code>AccessDenied</Code>")) == "AccessDenied"
    assert s3_answers.error_code(b"") == ""


@pytest.mark.parametrize(
    "policy, actions",
    [
        (b'{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}]}', ["s3:GetObject"]),
        (b'{"Statement": {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:*", "a b"]}}', ["s3:*"]),
        (b'{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "NotAction": "x"}]}', ["all but some"]),
        (b'{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*"}]}', []),
        (b'{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "me"}, "Action": "s3:*"}]}', []),
        (b"{}", []),
    ],
)
def test_a_policy_gives_what_it_allows_everybody(policy, actions):
    assert s3_answers.public_actions(policy) == actions


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><ListAllMyBucketsResult>&b;</ListAllMyBucketsResult>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b" \n" + BOMB.lower(),
        BOMB.decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?><ListAllMyBucketsResult/>',
        b"<html/>",
        b"",
        b"<a>" * 100000,
        b" " * (s3_answers.LIMIT + 1),
    ],
)
def test_what_could_hurt_or_is_no_answer_is_refused(body):
    with pytest.raises(s3_answers.S3Error):
        s3_answers.bucket_names(body)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_rubbish_is_never_an_answer(body):
    for read in (s3_answers.bucket_names, s3_answers.first_key, s3_answers.encryption_of, s3_answers.public_actions):
        try:
            found = read(body)
        except s3_answers.S3Error:
            continue
        assert read is s3_answers.public_actions and body.lstrip().startswith(b"{") and found is not None
    assert isinstance(s3_answers.error_code(body), str)
