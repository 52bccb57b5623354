CREATE TABLE `sync_files` (
	`sync_id` text NOT NULL,
	`workspace_id` text NOT NULL,
	`path` text NOT NULL,
	`kind` text NOT NULL,
	`state` text NOT NULL,
	`from_path` text,
	`sha256` text,
	`size` integer NOT NULL,
	`generation` integer,
	PRIMARY KEY(`sync_id`, `path`)
);
--> statement-breakpoint
CREATE INDEX `sync_files_state` ON `sync_files` (`sync_id`,`kind`,`state`,`path`);--> statement-breakpoint
CREATE INDEX `sync_files_workspace` ON `sync_files` (`workspace_id`);--> statement-breakpoint
CREATE TABLE `syncs` (
	`id` text PRIMARY KEY NOT NULL,
	`workspace_id` text NOT NULL,
	`bucket_id` text NOT NULL,
	`path` text,
	`generation` integer NOT NULL,
	`stored_files` integer NOT NULL,
	`unchanged` integer NOT NULL,
	`uploads` integer NOT NULL,
	`renames` integer NOT NULL,
	`missing` integer NOT NULL,
	`use_default_ignores` integer NOT NULL,
	`job_id` text NOT NULL,
	`delete_missing` integer,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`committed_at` integer
);
--> statement-breakpoint
CREATE INDEX `syncs_expires` ON `syncs` (`expires_at`);--> statement-breakpoint
CREATE INDEX `syncs_job` ON `syncs` (`job_id`);