CREATE TABLE `key_networks` (
	`bucket_id` text NOT NULL,
	`network` text NOT NULL,
	`workspace_id` text,
	`first_at` integer NOT NULL,
	`last_at` integer NOT NULL,
	PRIMARY KEY(`bucket_id`, `network`)
);
--> statement-breakpoint
CREATE INDEX `key_networks_last` ON `key_networks` (`last_at`);