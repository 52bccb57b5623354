ALTER TABLE `backups` ADD `base` text;--> statement-breakpoint
ALTER TABLE `files` ADD `archived_in` text;