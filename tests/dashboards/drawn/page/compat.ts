// What @grafana/scenes imports to find data sources in whichever Grafana it runs; here there is one.
import { getDataSourceSrv } from '@grafana/runtime';

export const getDataSourceInstance = async (ref: any, vars: any) => getDataSourceSrv().get(ref, vars);
export const getDataSourceInstanceSettings = async (ref: any, vars: any) => getDataSourceSrv().getInstanceSettings(ref, vars);
export const getDataSourceInstanceList = async (filters: any) => getDataSourceSrv().getList(filters);
export const getDefaultDataSourceInstanceListItem = async () => undefined;
export const registerRuntimeDataSourceInstance = () => undefined;
export const useDataSourceInstance = () => ({});
export const useDefaultDataSourceInstanceListItem = () => undefined;
export const useDataSourceInstanceSettings = () => undefined;
export const useDataSourceInstanceList = () => [];
