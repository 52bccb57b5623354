CREATE TABLE `feedback` (
	`id` text PRIMARY KEY NOT NULL,
	`workspace_id` text NOT NULL,
	`chunk_id` text NOT NULL,
	`path` text NOT NULL,
	`start_line` integer NOT NULL,
	`end_line` integer NOT NULL,
	`query` text NOT NULL,
	`rating` text NOT NULL,
	`comment` text,
	`key_id` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `feedback_workspace` ON `feedback` (`workspace_id`,`id`);--> statement-breakpoint
CREATE INDEX `feedback_chunk` ON `feedback` (`workspace_id`,`chunk_id`,`id`);