ALTER TABLE `jobs` ADD `tokens_wanted` integer;--> statement-breakpoint
ALTER TABLE `jobs` ADD `counts` text;