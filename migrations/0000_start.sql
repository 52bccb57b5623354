CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`workspace_id` text NOT NULL,
	`name` text NOT NULL,
	`digest` text NOT NULL,
	`prefix` text NOT NULL,
	`scopes` text NOT NULL,
	`limits` text,
	`bucket_id` text NOT NULL,
	`created_by` text,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`last_used_at` integer,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_digest` ON `api_keys` (`digest`);--> statement-breakpoint
CREATE INDEX `api_keys_workspace` ON `api_keys` (`workspace_id`,`id`);--> statement-breakpoint
CREATE TABLE `attestations` (
	`name` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`detail` text
);
--> statement-breakpoint
CREATE TABLE `blob_garbage` (
	`key` text PRIMARY KEY NOT NULL,
	`workspace_id` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `files` (
	`workspace_id` text NOT NULL,
	`path` text NOT NULL,
	`generation` integer NOT NULL,
	`size` integer NOT NULL,
	`sha256` text NOT NULL,
	`blob` text,
	`language` text NOT NULL,
	`status` text NOT NULL,
	`skip_reason` text,
	`error` text,
	`chunks` integer DEFAULT 0 NOT NULL,
	`chunked_by` text,
	`updated_at` integer NOT NULL,
	`indexed_at` integer,
	PRIMARY KEY(`workspace_id`, `path`)
);
--> statement-breakpoint
CREATE INDEX `files_status` ON `files` (`workspace_id`,`status`);--> statement-breakpoint
CREATE INDEX `files_sha256` ON `files` (`workspace_id`,`sha256`);--> statement-breakpoint
CREATE TABLE `idempotency` (
	`id` text PRIMARY KEY NOT NULL,
	`workspace_id` text NOT NULL,
	`request_digest` text NOT NULL,
	`status` integer,
	`headers` text,
	`body` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `idempotency_created` ON `idempotency` (`created_at`);--> statement-breakpoint
CREATE TABLE `job_files` (
	`job_id` text NOT NULL,
	`path` text NOT NULL,
	`generation` integer NOT NULL,
	`status` text NOT NULL,
	`reason` text,
	`message` text,
	`chunks` integer DEFAULT 0 NOT NULL,
	`embedded` integer DEFAULT 0 NOT NULL,
	`reused` integer DEFAULT 0 NOT NULL,
	`tokens` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`job_id`, `path`)
);
--> statement-breakpoint
CREATE INDEX `job_files_status` ON `job_files` (`job_id`,`status`);--> statement-breakpoint
CREATE TABLE `jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`workspace_id` text NOT NULL,
	`key_id` text,
	`request_id` text,
	`kind` text NOT NULL,
	`status` text NOT NULL,
	`spec` text NOT NULL,
	`expanded` integer NOT NULL,
	`error` text,
	`receipt` text,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`updated_at` integer NOT NULL,
	`finished_at` integer
);
--> statement-breakpoint
CREATE INDEX `jobs_workspace` ON `jobs` (`workspace_id`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_running` ON `jobs` (`workspace_id`,`status`);--> statement-breakpoint
CREATE INDEX `jobs_stalled` ON `jobs` (`status`,`updated_at`);--> statement-breakpoint
CREATE TABLE `security_events` (
	`id` text PRIMARY KEY NOT NULL,
	`workspace_id` text,
	`type` text NOT NULL,
	`at` integer NOT NULL,
	`count` integer DEFAULT 1 NOT NULL,
	`ip` text,
	`route` text,
	`key_id` text,
	`request_id` text,
	`detail` text
);
--> statement-breakpoint
CREATE INDEX `security_events_workspace` ON `security_events` (`workspace_id`,`id`);--> statement-breakpoint
CREATE INDEX `security_events_at` ON `security_events` (`at`);--> statement-breakpoint
CREATE INDEX `security_events_type` ON `security_events` (`type`,`id`);--> statement-breakpoint
CREATE TABLE `tombstones` (
	`workspace_id` text NOT NULL,
	`path` text NOT NULL,
	`generation` integer NOT NULL,
	`deleted_at` integer NOT NULL,
	`settled_at` integer,
	PRIMARY KEY(`workspace_id`, `path`)
);
--> statement-breakpoint
CREATE INDEX `tombstones_open` ON `tombstones` (`deleted_at`) WHERE settled_at IS NULL;--> statement-breakpoint
CREATE TABLE `workspaces` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`generation` integer DEFAULT 0 NOT NULL,
	`embedding_model` text,
	`embedding_dimensions` integer,
	`collection_id` text,
	`monthly_token_budget` integer,
	`max_files` integer,
	`max_bytes` integer,
	`created_at` integer NOT NULL,
	`deleted_at` integer
);
