-- SPDX-FileCopyrightText: the nself.prod authors
-- SPDX-License-Identifier: GPL-3.0-or-later
-- What an application and its audit trail look like when they are in order. The role app gets its password from the scenario.
CREATE ROLE app LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB;
CREATE ROLE audit_owner NOLOGIN;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

CREATE TABLE public.posts (id bigserial PRIMARY KEY, user_id uuid NOT NULL, title text, published boolean DEFAULT false);
ALTER TABLE public.posts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.posts FORCE ROW LEVEL SECURITY;
-- Hasura sets hasura.user, JSON, on mutations only: reading is narrowed by its own permissions.
CREATE POLICY posts_read ON public.posts FOR SELECT TO app USING (true);
CREATE POLICY posts_add ON public.posts FOR INSERT TO app
    WITH CHECK (user_id = (current_setting('hasura.user', true)::jsonb ->> 'x-hasura-user-id')::uuid);
CREATE POLICY posts_change ON public.posts FOR UPDATE TO app
    USING (user_id = (current_setting('hasura.user', true)::jsonb ->> 'x-hasura-user-id')::uuid);
CREATE POLICY posts_remove ON public.posts FOR DELETE TO app
    USING (user_id = (current_setting('hasura.user', true)::jsonb ->> 'x-hasura-user-id')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.posts TO app;

CREATE TABLE public.audit_logs (
    id bigserial PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(), user_id uuid, action text NOT NULL, resource_type text, resource_id text,
    old_values jsonb, new_values jsonb, ip_address inet, user_agent text
);
CREATE INDEX audit_logs_created_at ON public.audit_logs (created_at);
CREATE INDEX audit_logs_user_id ON public.audit_logs (user_id);
CREATE INDEX audit_logs_action ON public.audit_logs (action);
ALTER TABLE public.audit_logs OWNER TO audit_owner;
GRANT SELECT, INSERT ON public.audit_logs TO app;
GRANT USAGE ON SEQUENCE public.audit_logs_id_seq TO app;
INSERT INTO public.audit_logs (created_at, action) VALUES (now() - interval '100 days', 'login'), (now() - interval '1 hour', 'login');

CREATE SCHEMA auth;
CREATE TABLE auth.roles (role text PRIMARY KEY);
INSERT INTO auth.roles VALUES ('user'), ('me'), ('anonymous'), ('admin');
CREATE TABLE auth.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), disabled boolean NOT NULL DEFAULT false, default_role text NOT NULL DEFAULT 'user', email text,
    active_mfa_type text, totp_secret text);
CREATE TABLE auth.user_roles (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES auth.users, role text NOT NULL REFERENCES auth.roles);
CREATE TABLE auth.user_security_keys (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid NOT NULL REFERENCES auth.users, credential_id text);
INSERT INTO auth.users (email, default_role, active_mfa_type, totp_secret) VALUES ('admin@example.test', 'admin', 'totp', 'not a real one');
INSERT INTO auth.user_roles (user_id, role) SELECT id, 'admin' FROM auth.users;
GRANT USAGE ON SCHEMA auth TO app;
GRANT SELECT ON ALL TABLES IN SCHEMA auth TO app;
