CREATE TABLE `request_counts` (
	`route` text NOT NULL,
	`status_class` text NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`route`, `status_class`)
);
--> statement-breakpoint
CREATE TABLE `usage` (
	`workspace_id` text NOT NULL,
	`key_id` text NOT NULL,
	`day` text NOT NULL,
	`requests` integer DEFAULT 0 NOT NULL,
	`embedding_tokens` integer DEFAULT 0 NOT NULL,
	`chat_input_tokens` integer DEFAULT 0 NOT NULL,
	`chat_output_tokens` integer DEFAULT 0 NOT NULL,
	`bytes_stored` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`workspace_id`, `day`, `key_id`)
);
--> statement-breakpoint
CREATE INDEX `usage_day` ON `usage` (`day`);