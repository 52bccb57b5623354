CREATE TABLE `backup_parts` (
	`backup_id` text NOT NULL,
	`part` integer NOT NULL,
	`key` text NOT NULL,
	`bytes` integer NOT NULL,
	`sha256` text NOT NULL,
	`plain_bytes` integer NOT NULL,
	`plain_sha256` text NOT NULL,
	`counts` text NOT NULL,
	PRIMARY KEY(`backup_id`, `part`)
);
--> statement-breakpoint
CREATE TABLE `backups` (
	`id` text PRIMARY KEY NOT NULL,
	`job_id` text NOT NULL,
	`status` text NOT NULL,
	`recipients` text NOT NULL,
	`cursor` text,
	`parts` integer DEFAULT 0 NOT NULL,
	`bytes` integer,
	`counts` text,
	`manifest_sha256` text,
	`error` text,
	`created_at` integer NOT NULL,
	`finished_at` integer
);
--> statement-breakpoint
CREATE INDEX `backups_job` ON `backups` (`job_id`);--> statement-breakpoint
CREATE INDEX `backups_status` ON `backups` (`status`,`id`);--> statement-breakpoint
CREATE TABLE `restores` (
	`id` text PRIMARY KEY NOT NULL,
	`job_id` text,
	`status` text NOT NULL,
	`manifest_sha256` text NOT NULL,
	`parts` integer DEFAULT 0 NOT NULL,
	`counts` text NOT NULL,
	`error` text,
	`created_at` integer NOT NULL,
	`finished_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `restores_manifest_sha256_unique` ON `restores` (`manifest_sha256`);--> statement-breakpoint
CREATE INDEX `restores_job` ON `restores` (`job_id`);