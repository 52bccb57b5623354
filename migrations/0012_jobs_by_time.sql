DROP INDEX `jobs_workspace`;--> statement-breakpoint
CREATE INDEX `jobs_workspace` ON `jobs` (`workspace_id`,`created_at`,`id`);