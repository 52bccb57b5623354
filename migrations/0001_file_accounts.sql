ALTER TABLE `workspaces` ADD `last_change` text;--> statement-breakpoint
ALTER TABLE `workspaces` ADD `stored_files` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `workspaces` ADD `stored_bytes` integer DEFAULT 0 NOT NULL;